"""Which rows need an answer: conditions flow back from what is raised to the kernels behind it.

Skipping an answer never skips counting or teaching, so a mask of one detector cannot change what another sees.
"""

from __future__ import annotations

from collections.abc import Iterable

from apisec_otel.plan.draft import Draft
from apisec_otel.plan.kernels import KERNELS, OUTSIDE
from apisec_otel.plan.node import Graph

_ASKED = KERNELS | OUTSIDE

Masks = dict[int, tuple[int, ...] | None]


def demand(graph: Graph, drafts: Iterable[Draft]) -> Masks:
    """For each kernel node that is needed: the conditions of which one must hold where its answer is wanted; None for every row."""
    walk = _Walk(graph)
    for draft in drafts:
        walk.signal(draft)
    return _acyclic(graph, walk.masks)


class _Walk:
    """Collects masks. `mask` None is every row; `truth` says that only "is it 1?" matters of a condition, not -1 against 0."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.masks: dict[int, set[int | None]] = {}
        self._seen: set[tuple[int, int | None, bool]] = set()

    def signal(self, draft: Draft) -> None:
        raised = draft.when
        if raised is not None:
            self.want(raised, None, truth=True)
        elif draft.p is not None:
            self.want(draft.p, None)
            raised = self.graph.add("less", (draft.p, self.graph.constant(draft.chosen.q)), kind="logic")
        for position in draft.outputs():
            if position != draft.when:
                # What ranks is wanted of every row, as other detectors' signals weigh by it; on trial it weighs nothing.
                self.want(position, None if position == draft.ranks and draft.chosen.flags else raised)

    def want(self, position: int, mask: int | None, *, truth: bool = False) -> None:
        if (position, mask, truth) in self._seen:
            return
        self._seen.add((position, mask, truth))
        node = self.graph[position]
        if node.op in _ASKED:
            self._kernel(position, mask)
        elif truth and node.op == "and":
            self._conjuncts(position, mask)
        elif truth and node.op == "or":
            for arg in node.args:
                self.want(arg, mask, truth=True)
        elif truth and node.op in ("greater", "greater_equal"):
            self._threshold(position, mask)
        else:
            for arg in node.args:
                self.want(arg, mask)

    def _kernel(self, position: int, mask: int | None) -> None:
        node, kernel = self.graph[position], _ASKED[self.graph[position].op]
        if position not in self.masks:
            self.masks[position] = set()
            if kernel.operands:
                counted = self._or_every(node.args[kernel.at("where")])
                for name, arg in kernel.named(node.args):
                    self.want(arg, None if name in ("by", "where") else counted, truth=name == "where")
        self.masks[position].add(mask)
        if kernel.own:
            for name, arg in kernel.named(node.args):
                if name == kernel.own:
                    self.want(arg, mask)

    def _conjuncts(self, position: int, mask: int | None) -> None:
        parts = conjuncts(self.graph, position)
        for part in sorted(parts, key=self._stateful):
            self.want(part, mask, truth=True)
            mask = self._both(mask, part)

    def _threshold(self, position: int, mask: int | None) -> None:
        """`x > maximum(20, y)` implies `x > 20`, so y is wanted only there. Constants alone do: a missing operand is skipped."""
        node = self.graph[position]
        left, right = node.args
        self.want(left, mask)
        operands = _flat(self.graph, right, "maximum")
        for implied in bounds(self.graph, position):
            mask = self._both(mask, implied)
        for operand in operands:
            self.want(operand, mask)

    def _stateful(self, position: int) -> bool:
        return any(self.graph[below].op in _ASKED for below in self.graph.below(position))

    def _both(self, mask: int | None, condition: int) -> int:
        return condition if mask is None else self.graph.add("and", (mask, condition), kind="logic")

    def _or_every(self, where: int) -> int | None:
        return None if where == self.graph.always() else where


def conjuncts(graph: Graph, position: int) -> list[int]:
    """The different conditions that `&` joins, from left to right."""
    return list(dict.fromkeys(_flat(graph, position, "and")))


def bounds(graph: Graph, position: int) -> list[int]:
    """The simpler conditions that `x > maximum(20, y)` implies: `x > 20`."""
    node = graph[position]
    if node.op not in ("greater", "greater_equal") or graph[node.args[1]].op != "maximum":
        return []
    left, right = node.args
    constants = [one for one in _flat(graph, right, "maximum") if graph[one].op == "constant"]
    return [graph.add(node.op, (left, constant), kind="logic") for constant in constants]


def _flat(graph: Graph, position: int, op: str) -> list[int]:
    node = graph[position]
    return [leaf for arg in node.args for leaf in _flat(graph, arg, op)] if node.op == op else [position]


def _acyclic(graph: Graph, wanted: dict[int, set[int | None]]) -> Masks:
    """Drops a kernel's mask where it would wait, over other masks, for the kernel's own answer."""
    masks: Masks = {}
    for position in sorted(wanted):
        mask = _weakest(graph, wanted[position])
        masks[position] = None if mask and position in _reach(graph, mask, masks) else mask
    return masks


def _weakest(graph: Graph, conditions: set[int | None]) -> tuple[int, ...] | None:
    """The conditions less those that imply another of them."""
    plain = sorted(one for one in conditions if one is not None)
    if None in conditions:
        return None
    return tuple(one for one in plain if not any(_holds(graph, other, _facts(graph, one)) for other in plain if other != one))


def _facts(graph: Graph, position: int) -> set[int]:
    """What is known to be 1 where the condition is."""
    parts = conjuncts(graph, position)
    return {position, *parts, *(implied for part in parts for implied in bounds(graph, part))}


def _holds(graph: Graph, position: int, facts: set[int]) -> bool:
    return position in facts or (graph[position].op == "and" and all(_holds(graph, arg, facts) for arg in graph[position].args))


def _reach(graph: Graph, start: Iterable[int], masks: Masks) -> set[int]:
    found: set[int] = set()
    waiting = list(start)
    while waiting:
        here = waiting.pop()
        if here not in found:
            found.add(here)
            waiting.extend(graph[here].args)
            waiting.extend(masks.get(here) or ())
    return found
