"""Native plan and oracle behind one face: rows in, everything that was answered out."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np

from apisec_otel.plan.outside import Outside
from apisec_otel.testing.reference.plan import Reference

FORMATS = {"id": "<u8", "number": "<f8", "logic": "i1"}
_MISSING = {"id": 0, "number": math.nan, "logic": 0}


@dataclass
class Answered:
    """Raised rows, one list of values a row, and with ask_all the scores and the rows that lacked teachers."""

    raised: list[Any] = field(default_factory=list)
    values: list[list[float]] = field(default_factory=list)
    scores: list[list[float]] = field(default_factory=list)
    learning: list[bool] = field(default_factory=list)
    tables: list[dict[str, Any]] = field(default_factory=list)


def run_reference(
    spec: str, rows: Sequence[dict[str, Any]], cuts: Sequence[int], *, ask_all: bool, functions: Sequence[Any] = ()
) -> Answered:
    """The oracle over the cut stream."""
    plan, out = Reference(spec, functions), Answered()
    for start, end in pairwise(cuts):
        got = plan.run(rows[start:end], ask_all)
        out.raised += [(row + start, *rest) for row, *rest in got.raised]
        out.values += got.values
        out.scores += got.scores
        out.learning += got.learning
    out.tables = [{"entries": len(t.entries), "bytes": t.bytes(), "evicted": t.evicted, "expired": t.expired} for t in plan.tables]
    return out


def run_native(spec: str, rows: Sequence[dict[str, Any]], cuts: Sequence[int], *, ask_all: bool, functions: Sequence[Any] = ()) -> Answered:
    """The native plan over the cut stream."""
    return _run_native(spec, rows, cuts, ask_all=ask_all, restarts=False, functions=functions)


def run_restarted(spec: str, rows: Sequence[dict[str, Any]], cuts: Sequence[int], *, ask_all: bool) -> Answered:
    """The native plan over the cut stream, each piece by another plan that has only what was copied of the one before."""
    return _run_native(spec, rows, cuts, ask_all=ask_all, restarts=True)


def _run_native(
    spec: str, rows: Sequence[dict[str, Any]], cuts: Sequence[int], *, ask_all: bool, restarts: bool, functions: Sequence[Any] = ()
) -> Answered:
    native, out = import_module("apisec_otel._native"), Answered()
    plan = native.Plan(spec, Outside(functions))
    nodes = json.loads(spec)["nodes"]
    gone = [{"evicted": 0, "expired": 0} for _ in plan.tables()]
    for start, end in pairwise(cuts):
        if restarts:
            gone = [{name: before[name] + table[name] for name in before} for before, table in zip(gone, plan.tables(), strict=True)]
            plan = _copied(native.Plan(spec), plan)
        part = rows[start:end]
        late = np.array([row.get("late", False) for row in part], dtype=bool)
        time = np.array([row["time"] for row in part], dtype=np.int64)
        got = plan.run_columns(columns_of(nodes, part), time, late, ask_all, list(range(len(nodes))))
        out.raised += [(row + start, *rest) for row, *rest in got.raised]
        values = [np.frombuffer(value, dtype=FORMATS[node["kind"]]).tolist() for node, value in zip(nodes, got.values, strict=True)]
        out.values += [list(row) for row in zip(*values, strict=True)]
        if ask_all:
            scores = [np.frombuffer(score, dtype="<f8").tolist() for score in got.scores]
            out.scores += [list(row) for row in zip(*scores, strict=True)]
            out.learning += [bool(one) for one in got.learning]
    out.tables = [
        {name: table[name] + before.get(name, 0) for name in ("entries", "bytes", "evicted", "expired")}
        for before, table in zip(gone, plan.tables(), strict=True)
    ]
    return out


def _copied(plan: Any, before: Any) -> Any:
    for shard in before.shards():
        assert plan.load(shard)
    assert plan.loaded() == []
    return plan


def columns_of(nodes: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Row dicts as one array a column, those that the executor makes itself left out."""
    wanted = {node["settings"]["name"]: node["kind"] for node in nodes if node["op"] == "column"}
    return {
        name: np.array([row.get(name, _MISSING[kind]) for row in rows], dtype=FORMATS[kind])
        for name, kind in wanted.items()
        if name not in ("always", "time")
    }


def close(left: float, right: float) -> bool:
    """Equal numbers, both missing, or apart by rounding only."""
    return left == right or (left != left and right != right) or abs(left - right) <= 1e-9 * max(1.0, abs(left))


def difference(left: Answered, right: Answered, nodes: Sequence[dict[str, Any]] = ()) -> str:
    """The first thing in which two runs differ, or an empty text."""
    for row, (ours, theirs) in enumerate(zip(left.values, right.values, strict=True)):
        for node, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            if not close(a, b):
                return f"row {row} node {node} {nodes[node] if nodes else ''}: {a} and {b}"
    if left.learning != right.learning:
        return "learning differs"
    for row, (ours, theirs) in enumerate(zip(left.scores, right.scores, strict=True)):
        if not all(map(close, ours, theirs)):
            return f"row {row} scores: {ours} and {theirs}"
    if len(left.raised) != len(right.raised):
        return f"{len(left.raised)} and {len(right.raised)} raised"
    for a, b in zip(left.raised, right.raised, strict=True):
        if not _same_raised(a, b):
            return f"raised: {a} and {b}"
    return "" if left.tables == right.tables else f"tables: {left.tables} and {right.tables}"


def _same_raised(left: Any, right: Any) -> bool:
    (row, signal, p, severity, entity, evidence), (row2, signal2, p2, severity2, entity2, evidence2) = left, right
    exact = (row, signal, severity, entity) == (row2, signal2, severity2, entity2)
    sides = [*zip(evidence, evidence2, strict=True)]
    return exact and close(p, p2) and all(close(a, c) and close(b, d) for (a, b), (c, d) in sides)
