"""From detectors to one plan: passes over a graph, in order, each a function; at the end one JSON text."""

from __future__ import annotations

import heapq
import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from apisec_otel.plan.demand import Masks, demand
from apisec_otel.plan.draft import Chosen, Draft, draft, settings_of
from apisec_otel.plan.kernels import KERNELS, OUTSIDE
from apisec_otel.plan.node import Graph, Node, PlanError
from apisec_otel.plan.rows import KINDS
from apisec_otel.plan.tables import Places, identity, tables

MEMORY = 128 << 20
"""Bytes that the tables of a plan may take together, unless configured."""

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What Python keeps of a Signal to speak of it: its words. The executor knows it by its position in `Plan.statements`."""

    detector: str
    index: int
    owasp: str
    entity: str
    because: str
    evidence: tuple[str, ...]
    settings: Mapping[str, object]
    ranks: bool = False
    """Whether it says how suspicious a row's session is."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """The graph that a plan was cut from and what its Signals are there; `order` has the graph's position of each of its nodes."""

    graph: Graph
    drafts: tuple[Draft, ...]
    order: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All detectors together: the JSON for an executor, the words for people, the columns that rows must have."""

    spec: str
    statements: tuple[Statement, ...]
    columns: Mapping[str, frozenset[str]]
    """The columns that each detector reads, by detector."""
    memories: Mapping[str, frozenset[str]]
    """The detectors that need what is remembered under an identity, by identity."""
    rows: str = "Request"
    """Which rows it runs over: `Request`, `Step` or `Item`."""
    functions: tuple[Hashable, ...] = ()
    """What Python does in the plan; `outside.Outside` runs it."""
    identities: tuple[str, ...] = ()
    """Of each function: what its state computes, the same in every plan that has it."""
    source: Source
    """What it was made of, to explain it by."""


@dataclass(frozen=True, kw_only=True)
class Plans:
    """The detectors that judge requests as they arrive, those that judge them in order, and those that judge their items."""

    requests: Plan
    steps: Plan
    items: Plan

    @property
    def statements(self) -> tuple[Statement, ...]:
        """Those of all."""
        return self.requests.statements + self.steps.statements + self.items.statements


def plans(
    chosen: Iterable[Chosen],
    *,
    memory: int = MEMORY,
    meanings: Mapping[str, str] | None = None,
    custom: Mapping[str, str] | None = None,
) -> Plans:
    """Runs every detector once and plans them together, `memory` shared out over the tables of all kinds of rows.

    PlanError says which detector, where, and what to write instead. `meanings` says of columns what their values depend
    on: state about them is kept only as long as that stays the same.
    """
    graph, drafts = draft(chosen, meanings, custom)
    kinds = [[one for one in drafts if one.rows == rows] for rows in KINDS]
    counts = [len(_places(graph, each, memory).tables) for each in kinds]
    shares = [memory * count // max(1, sum(counts)) for count in counts]
    requests, steps, items = (finish(graph, each, memory=share) for each, share in zip(kinds, shares, strict=True))
    return Plans(requests=requests, steps=steps, items=items)


def build(chosen: Iterable[Chosen], *, memory: int = MEMORY) -> Plan:
    """As `plans`, of detectors of one kind of rows."""
    graph, drafts = draft(chosen)
    return finish(graph, drafts, memory=memory)


def finish(graph: Graph, drafts: Sequence[Draft], *, memory: int = MEMORY) -> Plan:
    """The passes after the detectors have run."""
    kinds = sorted({one.rows for one in drafts})
    if len(kinds) > 1:
        raise PlanError(f"a plan runs over rows of one kind; these are detectors of {' and of '.join(kinds)} rows.")
    places = _places(graph, drafts, memory)
    masks = demand(graph, drafts)
    order = _order(graph, drafts, places, masks)
    return Plan(
        spec=json.dumps(emit(graph, drafts, order, places, masks), separators=(",", ":"), allow_nan=False),
        statements=tuple(_statement(graph, one) for one in drafts),
        columns=columns_read(graph, drafts),
        memories=_memories(graph, drafts),
        rows="".join(kinds) or "Request",
        functions=tuple(_function(graph, position) for position in order if graph[position].op in OUTSIDE),
        identities=tuple(graph.identity(position).hex() for position in order if graph[position].op in OUTSIDE),
        source=Source(graph=graph, drafts=tuple(drafts), order=tuple(order)),
    )


def _places(graph: Graph, drafts: Sequence[Draft], memory: int) -> Places:
    kernels = [position for position in prune(graph, drafts) if graph[position].op in KERNELS]
    return tables(graph, kernels, drafts, memory=memory)


def prune(graph: Graph, drafts: Iterable[Draft]) -> set[int]:
    """The positions that some Signal depends on."""
    return {position for one in drafts for output in one.outputs() for position in graph.below(output)}


def emit(graph: Graph, drafts: Iterable[Draft], order: Sequence[int], places: Places, masks: Masks) -> dict[str, object]:
    """The plan as JSON values: nodes renumbered, operands and masks first, nothing that no Signal needs."""
    at = {position: index for index, position in enumerate(order)}
    functions = {position: number for number, position in enumerate(one for one in order if graph[one].op in OUTSIDE)}
    return {
        "version": VERSION,
        "nodes": [_node(graph, position, at, places, masks) | _asks(graph, position, at, masks, functions) for position in order],
        "tables": [
            {"key": at[table.key], "identity": table.identity(graph), "bytes": table.bytes, "expiry": table.expiry()}
            for table in places.tables
        ],
        "signals": [_signal(one, at) for one in drafts],
    }


def native_name(graph: Graph, column: str) -> str:
    """A column's name as native code has it: configured ones have numbers there, in the order of their names."""
    _, dot, name = column.partition("custom.")
    return f"custom.{list(graph.custom).index(name)}" if dot else column


def _node(graph: Graph, position: int, at: Mapping[int, int], places: Places, masks: Masks) -> dict[str, object]:
    node = graph[position]
    settings = _settings(node)
    if node.op == "column":
        settings["name"] = native_name(graph, str(settings["name"]))
    out: dict[str, object] = {"op": node.op, "kind": node.kind, "args": [at[arg] for arg in node.args], "settings": settings}
    if position in places.of:
        mask = masks[position]
        out |= {"table": places.of[position], "asked": None if mask is None else [at[one] for one in mask]}
        out["identity"] = identity(graph, position)
    if position in places.pending:
        out["pending"] = places.pending[position]
    return out


def _asks(graph: Graph, position: int, at: Mapping[int, int], masks: Masks, functions: Mapping[int, int]) -> dict[str, object]:
    """Of a node that Python answers: which function of the plan it is. Each has its own, for each keeps its own."""
    if position not in functions:
        return {}
    mask = masks[position]
    settings = dict(graph[position].settings) | {"function": functions[position]}
    return {"settings": settings, "asked": None if mask is None else [at[one] for one in mask]}


def _function(graph: Graph, position: int) -> Hashable:
    return graph.functions[int(graph[position].setting("function"))]


def _order(graph: Graph, drafts: Iterable[Draft], places: Places, masks: Masks) -> list[int]:
    roots = [output for one in drafts for output in one.outputs()] + [table.key for table in places.tables]
    return _ordered(graph, roots, {position: _waits_for(position, places, masks) for position in masks})


def _settings(node: Node) -> dict[str, object]:
    kernel = KERNELS.get(node.op)
    if kernel is None:
        return dict(node.settings)
    return dict(kernel.emitted(dict(node.settings), len(node.args) - len(kernel.operands)))


def _signal(one: Draft, at: Mapping[int, int]) -> dict[str, object]:
    return {
        "detector": one.chosen.id,
        "index": one.index,
        "when": None if one.when is None else at[one.when],
        "p": None if one.p is None else at[one.p],
        "q": one.chosen.q,
        "entity": at[one.entity],
        "severity": {"level": one.level} if one.severity is None else {"node": at[one.severity]},
        "evidence": [[name, at[observed], None if expected is None else at[expected]] for name, observed, expected in one.evidence],
        "flags": one.chosen.flags,
        "ranks": None if one.ranks is None else at[one.ranks],
    }


def _statement(graph: Graph, one: Draft) -> Statement:
    return Statement(
        detector=one.chosen.id,
        index=one.index,
        owasp=one.chosen.detector.owasp,
        entity=graph.text(one.entity),
        because=one.because,
        evidence=tuple(name for name, _, _ in one.evidence),
        settings=settings_of(one.chosen.detector),
        ranks=one.ranks is not None,
    )


def columns_read(graph: Graph, drafts: Iterable[Draft]) -> dict[str, frozenset[str]]:
    """The columns that each detector reads, by detector."""
    found: dict[str, set[str]] = {}
    for one in drafts:
        nodes = [graph[position] for position in prune(graph, [one])]
        names = {str(node.setting("name")) for node in nodes if node.op == "column"}
        found.setdefault(one.chosen.id, set()).update(names - {"always"})
    return {detector: frozenset(names) for detector, names in found.items()}


def _memories(graph: Graph, drafts: Iterable[Draft]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for one in drafts:
        for position in prune(graph, [one]):
            if graph[position].op in KERNELS:
                found.setdefault(identity(graph, position), set()).add(one.chosen.id)
    return {remembered: frozenset(detectors) for remembered, detectors in found.items()}


def _waits_for(position: int, places: Places, masks: Masks) -> set[int]:
    windows = {places.tables[places.pending[position]].key} if position in places.pending else set()
    return {*(masks[position] or ()), *windows}


def _ordered(graph: Graph, roots: Iterable[int], waits: Mapping[int, set[int]]) -> list[int]:
    """Everything that the roots need, each after its operands, masks and keys, otherwise in the order of making."""
    before: dict[int, set[int]] = {}
    waiting = list(roots)
    while waiting:
        here = waiting.pop()
        if here not in before:
            before[here] = {*graph[here].args, *waits.get(here, ())}
            waiting.extend(before[here])
    after: dict[int, list[int]] = {position: [] for position in before}
    for position, needs in before.items():
        for need in needs:
            after[need].append(position)
    missing = {position: len(needs) for position, needs in before.items()}
    ready = [position for position, count in missing.items() if count == 0]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        order.append(heapq.heappop(ready))
        for position in after[order[-1]]:
            missing[position] -= 1
            if missing[position] == 0:
                heapq.heappush(ready, position)
    return order
