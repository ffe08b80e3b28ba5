"""Which detectors can never raise where some columns are missing: each node is asked what it can be, without any row.

What a node can be is an interval for a number, the values it can take for a condition, and whether it is there for an id
(abstract interpretation: Cousot and Cousot, 1977). The answer errs towards "can": a detector is called blind only if it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping

from apisec_otel.plan.draft import Draft
from apisec_otel.plan.kernels import KERNELS, OUTSIDE
from apisec_otel.plan.node import Graph

Interval = tuple[float, float]
Can = Interval | frozenset[int] | bool | None
"""A number's bounds, a condition's values (1, -1, 0 unknown), whether an id is there; None is a number that is missing."""

ANY: Interval = (-math.inf, math.inf)
NOTHING: Interval = (0.0, 0.0)
COUNTED: Interval = (0.0, math.inf)
UNKNOWN = frozenset({0})
KLEENE = frozenset({1, -1, 0})
_UNSIGNED = ("count", "distinct")


def blind(graph: Graph, drafts: Iterable[Draft], missing: Collection[str]) -> frozenset[str]:
    """Ids of the detectors of which Signals can be raised, but none on rows that lack these columns."""
    look, whole = _Look(graph, missing), _Look(graph, ())
    raising = [one for one in drafts if whole.can_raise(one)]
    return frozenset(one.chosen.id for one in raising) - {one.chosen.id for one in raising if look.can_raise(one)}


def vital(graph: Graph, drafts: Iterable[Draft], columns: Mapping[str, Collection[str]]) -> dict[str, frozenset[str]]:
    """For each detector the columns without any one of which it is blind; `columns` are those that it reads."""
    drafts = list(drafts)
    without = {name: blind(graph, drafts, {name}) for names in columns.values() for name in names}
    return {id: frozenset(name for name in names if id in without[name]) for id, names in columns.items()}


def unknown_for_want_of(graph: Graph, position: int, missing: Collection[str]) -> list[str]:
    """Those of the missing columns for which a node is unknown: any one that is reason enough, else all if together they are."""
    read = {str(graph[below].setting("name")) for below in graph.below(position) if graph[below].op == "column"}
    candidates = sorted(read & set(missing))
    enough = [name for name in candidates if _unknown(graph, position, {name})]
    return enough or (candidates if candidates and _unknown(graph, position, candidates) else [])


def _unknown(graph: Graph, position: int, missing: Collection[str]) -> bool:
    return _Look(graph, missing).of(position) in (None, False, UNKNOWN)


class _Look:
    def __init__(self, graph: Graph, missing: Collection[str]) -> None:
        self._graph, self._missing = graph, missing
        self._seen: dict[int, Can] = {}

    def can_raise(self, one: Draft) -> bool:
        if not self.of(one.entity):
            return False
        if one.when is not None:
            return 1 in self._logic(one.when)
        p = self._number(one.p) if one.p is not None else None
        return p is not None and p[0] < one.chosen.q

    def of(self, position: int) -> Can:
        """What a node can be. Operands come before their users, so going down ends."""
        if position not in self._seen:
            self._seen[position] = self._compute(position)
        return self._seen[position]

    def _number(self, position: int) -> Interval | None:
        can = self.of(position)
        return can if isinstance(can, tuple) else None

    def _logic(self, position: int) -> frozenset[int]:
        can = self.of(position)
        return can if isinstance(can, frozenset) else KLEENE

    def _compute(self, position: int) -> Can:
        node = self._graph[position]
        if node.op == "column":
            return _column(node.kind, str(node.setting("name")), self._missing)
        if node.op in KERNELS or node.op in ("fold", "model"):
            return self._kernel(position)
        rule = getattr(self, f"_{node.op}", None)
        if rule is not None:
            found: Can = rule(*node.args) if node.op != "constant" else rule(float(node.setting("value")))
            return found
        return self._other(position)

    def _other(self, position: int) -> Can:
        """An operation without a rule of its own: missing where an operand is, else anything."""
        node = self._graph[position]
        there = all(self.of(arg) not in (None, False) for arg in node.args)
        if node.kind == "number":
            return ANY if there else None
        if node.kind == "id":
            return there
        return KLEENE if there else UNKNOWN

    def _kernel(self, position: int) -> Can:
        node, kernel = self._graph[position], (KERNELS | OUTSIDE)[self._graph[position].op]
        named = [(name, self.of(arg)) for name, arg in kernel.named(node.args)]
        leading = [can for name, can in named if name == kernel.leading]
        if kernel.family == "model" and not any(can is not None for can in leading):
            return None
        spared = kernel.spared | ({kernel.leading} if kernel.family == "model" else set())
        operands = {name: can for name, can in named if name not in spared}
        if operands["by"] is False:
            return None if node.kind == "number" else False
        remembered = all(can not in (None, False, UNKNOWN) for can in operands.values())
        where = operands.get("where")
        counted = isinstance(where, frozenset) and 1 in where
        if kernel.family != "tally":
            return ANY if remembered and counted else None
        if not (remembered and counted):
            return NOTHING
        return COUNTED if node.op in _UNSIGNED else ANY

    def _constant(self, value: float) -> Can:
        return (value, value)

    def _maximum(self, left: int, right: int) -> Can:
        sides = self._sides(left, right)
        sure = [low for (low, _), always in sides if always]
        return (max(sure) if sure else min(low for (low, _), _ in sides), max(high for (_, high), _ in sides)) if sides else None

    def _minimum(self, left: int, right: int) -> Can:
        sides = self._sides(left, right)
        sure = [high for (_, high), always in sides if always]
        return (min(low for (low, _), _ in sides), min(sure) if sure else max(high for (_, high), _ in sides)) if sides else None

    def _sides(self, *positions: int) -> list[tuple[Interval, bool]]:
        """The operands that can be there, and whether each always is: a missing one is skipped."""
        found = [(self._number(position), self._always(position)) for position in positions]
        return [(side, always) for side, always in found if side is not None]

    def _always(self, position: int) -> bool:
        node = self._graph[position]
        return node.op == "constant" or (node.op in ("maximum", "minimum") and any(map(self._always, node.args)))

    def _add(self, left: int, right: int) -> Can:
        a, b = self._number(left), self._number(right)
        return None if a is None or b is None else (a[0] + b[0], a[1] + b[1])

    def _subtract(self, left: int, right: int) -> Can:
        a, b = self._number(left), self._number(right)
        return None if a is None or b is None else (a[0] - b[1], a[1] - b[0])

    def _multiply(self, left: int, right: int) -> Can:
        a, b = self._number(left), self._number(right)
        if a is None or b is None:
            return None
        return (a[0] * b[0], _product(a[1], b[1])) if min(a[0], b[0]) >= 0 else ANY

    def _negate(self, of: int) -> Can:
        a = self._number(of)
        return None if a is None else (-a[1], -a[0])

    def _exp(self, of: int) -> Can:
        a = self._number(of)
        return None if a is None else (_exp(a[0]), _exp(a[1]))

    def _when(self, condition: int, then: int, otherwise: int) -> Can:
        ways = [self._number(way) for value, way in ((1, then), (-1, otherwise)) if value in self._logic(condition)]
        there = [way for way in ways if way is not None]
        return (min(low for low, _ in there), max(high for _, high in there)) if there else None

    def _known(self, of: int) -> Can:
        return frozenset({-1}) if self.of(of) in (None, False) else frozenset({1, -1})

    def _greater(self, left: int, right: int) -> Can:
        return self._compared(left, right, lambda a, b: a[1] > b[0])

    def _greater_equal(self, left: int, right: int) -> Can:
        return self._compared(left, right, lambda a, b: a[1] >= b[0])

    def _less(self, left: int, right: int) -> Can:
        return self._compared(left, right, lambda a, b: a[0] < b[1])

    def _less_equal(self, left: int, right: int) -> Can:
        return self._compared(left, right, lambda a, b: a[0] <= b[1])

    def _compared(self, left: int, right: int, possible: Callable[[Interval, Interval], bool]) -> Can:
        a, b = self._number(left), self._number(right)
        if a is None or b is None:
            return UNKNOWN
        return KLEENE if possible(a, b) else frozenset({-1, 0})

    def _and(self, left: int, right: int) -> Can:
        return frozenset(_and(a, b) for a in self._logic(left) for b in self._logic(right))

    def _or(self, left: int, right: int) -> Can:
        return frozenset(-_and(-a, -b) for a in self._logic(left) for b in self._logic(right))

    def _not(self, of: int) -> Can:
        return frozenset(-value for value in self._logic(of))


def _column(kind: str, name: str, missing: Collection[str]) -> Can:
    if name == "always":
        return frozenset({1})
    if kind == "number":
        return None if name in missing else ANY
    if kind == "id":
        return name not in missing
    return UNKNOWN if name in missing else KLEENE


def _and(a: int, b: int) -> int:
    return -1 if -1 in (a, b) else min(a, b)


def _product(a: float, b: float) -> float:
    return 0.0 if 0 in (a, b) else a * b


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf
