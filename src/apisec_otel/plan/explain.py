"""Why a row is raised, or is not: the value of each node that a detector is made of, beside its text, and what is unknown."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache, partial
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from apisec_otel.plan.blind import unknown_for_want_of
from apisec_otel.plan.build import Plan, Statement
from apisec_otel.plan.demand import conjuncts
from apisec_otel.plan.draft import Draft
from apisec_otel.plan.kernels import KERNELS, OUTSIDE
from apisec_otel.plan.node import INFIX, PREFIX, Graph
from apisec_otel.plan.outside import Function
from apisec_otel.plan.signal import SEVERITIES, sentence
from apisec_otel.plan.words import listed, spell

Value = float | bool | int | None
"""A number, a condition, an id (an int); None is unknown."""
Columns = Mapping[int, NDArray[Any]]
"""A value for each row, by the node's position in the graph."""

_FORMS = {"number": "<f8", "logic": "i1", "id": "<u8"}
_DURATIONS = ("within", "half_life")
_NAMED = ("by", "taught_by", "where")
_WIDE = 90
"""Characters; a longer text leaves out what is nested deepest."""
_TOLD = (*_DURATIONS, "q", "normal", "attack", "part")
"""Settings of a kernel that stand in its text."""


class Answers(Protocol):
    """What an executor says of the nodes that it was asked for."""

    @property
    def values(self) -> Sequence[bytes]:
        """One column each, a value a row."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A node in one row."""

    text: str
    """As in the declaration."""
    kind: str
    """number, logic or id."""
    name: str
    """The column's name where it is one."""
    value: Value
    unknown: str
    """Why the value is unknown; empty where it is not."""
    of: tuple[Explained, ...]
    """What it is made of; constants are in the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One Signal of one row."""

    index: int
    raised: bool
    severity: str
    """As it is raised, or would be."""
    p: float | None
    entity_type: str
    entity: int
    """0 when the row has none."""
    sentence: str
    parts: Mapping[str, Explained]
    """`when`, `p`, `severity`, and `NAME.observed`, `NAME.expected` of evidence: those that are expressions."""


@dataclass(frozen=True)
class Explainer:
    """One detector in a plan. `asked` are the nodes of which an executor must tell the values."""

    plan: Plan
    detector: str
    asked: list[int] = field(init=False)
    _positions: list[int] = field(init=False)
    _words: _Words = field(init=False)

    def __post_init__(self) -> None:
        graph, at = self.plan.source.graph, {position: index for index, position in enumerate(self.plan.source.order)}
        needed = {below for _, one in self._signals() for output in one.outputs() for below in graph.below(output)}
        object.__setattr__(self, "_words", _Words(graph))
        object.__setattr__(self, "_positions", sorted(needed))
        object.__setattr__(self, "asked", [at[position] for position in sorted(needed)])

    def columns(self, answers: Answers) -> Columns:
        """The values of a run, by position."""
        graph = self.plan.source.graph
        values = zip(self._positions, answers.values, strict=True)
        return {position: np.frombuffer(column, _FORMS[graph[position].kind]) for position, column in values}

    def raised(self, columns: Columns) -> NDArray[np.bool_]:
        """Whether one of the detector's Signals is raised, for each row."""
        raised: NDArray[np.bool_] = np.logical_or.reduce([_raised(one, columns) for _, one in self._signals()])
        return raised

    def near(self, columns: Columns) -> NDArray[np.float64]:
        """How near each row comes to being raised, for an order: what -log10(p) adds to the share of the conditions that hold."""
        near: NDArray[np.float64] = np.maximum.reduce([_near(self.plan.source.graph, one, columns) for _, one in self._signals()])
        return near

    def values(self, columns: Columns, row: int) -> tuple[Value, ...]:
        """A row's values, as `told` takes them."""
        return tuple(_value(self._kind(position), columns[position][row]) for position in self._positions)

    def told(self, values: Sequence[Value], words: Mapping[str, str]) -> list[Told]:
        """What each Signal of the detector says of a row of these values. `words` are the row's for people, by `ROW_WORDS`."""
        look = _Row(self._words, dict(zip(self._positions, values, strict=True)))
        return [_told(look, said, one, words) for said, one in self._signals()]

    def _kind(self, position: int) -> str:
        return self.plan.source.graph[position].kind

    def _signals(self) -> Iterator[tuple[Statement, Draft]]:
        both = zip(self.plan.statements, self.plan.source.drafts, strict=True)
        return ((said, one) for said, one in both if said.detector == self.detector)


def _raised(one: Draft, columns: Columns) -> NDArray[np.bool_]:
    if one.when is not None:
        return np.asarray(columns[one.when] == 1)
    return np.zeros(0, np.bool_) if one.p is None else np.asarray(columns[one.p] < one.chosen.q)


def _near(graph: Graph, one: Draft, columns: Columns) -> NDArray[np.float64]:
    near = np.zeros(len(columns[one.entity]))
    if one.p is not None:
        near += np.nan_to_num(-np.log10(np.clip(columns[one.p], 1e-300, 1.0)))
    conditions = conjuncts(graph, one.when) if one.when is not None else []
    for condition in conditions:
        near += (columns[condition] == 1) / len(conditions)
    return near


def _told(look: _Row, said: Statement, one: Draft, words: Mapping[str, str]) -> Told:
    p, level = look.number(one.p), look.number(one.severity)
    evidence = {name: (look.number(seen), look.number(usual)) for name, seen, usual in one.evidence}
    return Told(
        index=said.index,
        raised=look.values[one.when] is True if one.when is not None else p is not None and p < one.chosen.q,
        severity=SEVERITIES[one.level if level is None else min(4, max(0, int(level)))],
        p=p,
        entity_type=said.entity,
        entity=int(look.values[one.entity] or 0),
        sentence=sentence(said.because, evidence, said.settings, words),
        parts={name: look.explained(position) for name, position in _parts(one)},
    )


def _parts(one: Draft) -> Iterator[tuple[str, int]]:
    yield from ((name, at) for name, at in (("when", one.when), ("p", one.p), ("severity", one.severity)) if at is not None)
    for name, observed, expected in one.evidence:
        yield f"{name}.observed", observed
        if expected is not None:
            yield f"{name}.expected", expected


class _Words:
    """What is said of a graph's nodes in any row, each once."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.title: Callable[[int], str] = cache(partial(title, graph))
        self.made_of: Callable[[int], list[int]] = cache(partial(_made_of, graph))
        self.wanting: Callable[[int, tuple[str, ...]], list[str]] = cache(partial(unknown_for_want_of, graph))


class _Row:
    """The nodes of a graph in one row."""

    def __init__(self, words: _Words, values: Mapping[int, Value]) -> None:
        self._words, self.graph, self.values = words, words.graph, values
        graph = words.graph
        columns = [position for position in values if graph[position].op == "column"]
        self._missing = tuple(str(graph[position].setting("name")) for position in columns if values[position] is None)
        self._made: dict[int, Explained] = {}

    def number(self, position: int | None) -> float | None:
        value = None if position is None else self.values[position]
        return None if value is None else float(value)

    def explained(self, position: int) -> Explained:
        if position not in self._made:
            node, value = self.graph[position], self.values[position]
            self._made[position] = Explained(
                text=self._words.title(position),
                kind=node.kind,
                name=str(node.setting("name")) if node.op == "column" else "",
                value=value,
                unknown=self._why(position) if value is None else "",
                of=tuple(self.explained(part) for part in self._words.made_of(position)),
            )
        return self._made[position]

    def _why(self, position: int) -> str:
        """The columns that are missing where that is the reason, else that of the first operand, else the kernel's own."""
        lacking = self._words.wanting(position, self._missing)
        if lacking:
            return f"no {listed([name.removeprefix('custom.') for name in lacking])} on this row"
        node = self.graph[position]
        kernel = (KERNELS | OUTSIDE).get(node.op)
        if kernel is None:
            unknown = [self._why(arg) for arg in node.args if self.values[arg] is None]
            return unknown[0] if unknown else "undefined, such as a division by zero"
        if kernel.family in ("baseline", "model", "conduct"):
            return "not enough was learned yet"
        return "nothing came before" if kernel.ordered else "not yet known"


def title(graph: Graph, position: int) -> str:
    """The node as it stands in the declaration, what is nested too deep in it left out."""
    texts = [_text(graph, position, depth, outer=True) for depth in (9, 3, 2, 1)]
    return next((text for text in texts if len(text) <= _WIDE), texts[-1])


def _text(graph: Graph, position: int, depth: int, *, outer: bool = False) -> str:
    node = graph[position]
    if node.op in ("column", "constant", "mix"):
        return graph.text(position)
    if depth == 0:
        return "..." if node.op in INFIX or node.op in PREFIX else f"{node.op.removesuffix('_id')}(...)"
    if node.op in KERNELS or node.op in OUTSIDE:
        return f"{node.op.removesuffix('_id')}({', '.join(_asked(graph, position, depth - 1, outer=outer))})"
    args = [_text(graph, arg, depth - 1) for arg in chain(graph, position)]
    if node.op in INFIX:
        text = f" {INFIX[node.op]} ".join(args)
        return text if outer else f"({text})"
    return f"{PREFIX[node.op]}{args[0]}" if node.op in PREFIX else f"{node.op}({', '.join(args)})"


def _asked(graph: Graph, position: int, depth: int, *, outer: bool) -> Iterator[str]:
    """What a kernel is asked; keys and settings only where it stands for itself."""
    node = graph[position]
    kernel = (KERNELS | OUTSIDE)[node.op]
    if node.op in OUTSIDE:
        yield _function(graph, position)
    named = [] if kernel.of_row else kernel.named(node.args)
    keyed = [name for name, _ in named] == ["by", "where"]
    for name, arg in named:
        if name not in _NAMED:
            yield _text(graph, arg, depth)
        elif arg != graph.always() and (outer or name == "where" or keyed):
            yield f"{name}={_text(graph, arg, depth)}"
    if outer or kernel.of_row:
        yield from (_setting(name, value) for name, value in node.settings if name in _TOLD)


def chain(graph: Graph, position: int) -> list[int]:
    """The operands of a node; those of `a & b & c` are three."""
    node = graph[position]
    if node.op not in ("and", "or", "maximum", "minimum"):
        return list(node.args)
    return list(dict.fromkeys(part for arg in node.args for part in (chain(graph, arg) if graph[arg].op == node.op else [arg])))


def _setting(name: str, value: float | str) -> str:
    if name in _DURATIONS:
        return f"{name}={spell(timedelta(microseconds=float(value) / 1_000))}"
    return str(value) if isinstance(value, str) else f"{name}={value:g}"


def _function(graph: Graph, position: int) -> str:
    return cast("Function", graph.functions[int(graph[position].setting("function"))]).running().name


def _made_of(graph: Graph, position: int) -> list[int]:
    """Operands that have a value of their own to show: constants and `always` have none, a key is its parts."""
    node = graph[position]
    if node.op in KERNELS and KERNELS[node.op].of_row:
        return []
    parts = [leaf for arg in chain(graph, position) for leaf in (_made_of(graph, arg) if graph[arg].op == "mix" else [arg])]
    return [part for part in dict.fromkeys(parts) if graph[part].op != "constant" and part != graph.always()]


def _value(kind: str, value: Any) -> Value:
    if kind == "number":
        return None if math.isnan(value) else float(value)
    if kind == "logic":
        return None if value == 0 else bool(value > 0)
    return int(value) or None
