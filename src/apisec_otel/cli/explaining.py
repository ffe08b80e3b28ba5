"""The rows that `explain` tells of: those of one entity, those raised first, at most so many."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apisec_otel.cli.judged import new_requests
from apisec_otel.cli.replay_engine import ReplayEngine, engine_of
from apisec_otel.config import Config
from apisec_otel.errors import ComponentError
from apisec_otel.findings.finding import Hash
from apisec_otel.findings.rows import Mark, Records, marked
from apisec_otel.findings.unusual import parts, unusual
from apisec_otel.plan.build import Plan
from apisec_otel.plan.explain import Explainer, Told, Value
from apisec_otel.spans.batch import NativeBatch

ENTITIES = ("principal", "session", "client", "credential")
"""What an entity may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedRow:
    """One request and what the detector says of it."""

    number: int
    """From 1, among the requests that were judged."""
    start: int
    trace_id: str
    span_id: str
    endpoint: str
    who: dict[str, int]
    """The row's entities that are known, by kind."""
    raised: bool
    payload: str
    """Why it is unusual in what it says."""
    parts: dict[str, float]
    """What that score is made of, in nats; empty where the detector reads none of it, or nothing is unusual."""
    explainer: Explainer
    values: tuple[Value, ...]

    @property
    def signals(self) -> list[Told]:
        """What each Signal says; made anew each time, as it is large."""
        return self.explainer.told(self.values, {"endpoint": self.endpoint, "payload": self.payload})


class Explaining:
    """Looks at the plan of one detector; keeps `limit` raised rows and as many that came nearest, all when `limit` is None."""

    def __init__(self, config: Config, detector: str, entity: str | None, limit: int | None) -> None:
        self._detector, self._entity, self._limit = detector, entity, limit
        self.engine = engine_of(config, self._watch)
        self.learning = False
        """What runs only teaches."""
        self.rows = self.matched = self.raised = 0
        """Requests judged, those of the entity, and those of them that were raised."""
        self._shown: list[ExplainedRow] = []
        self._near: list[tuple[float, int, ExplainedRow]] = []

    def _watch(self, plan: Plan) -> _Watching | None:
        explainer = Explainer(plan, self._detector)
        if explainer.asked and plan.rows == "Item":
            raise ComponentError(f"explain: {self._detector} judges items; only what is said of Request and Step rows can be taken apart")
        return _Watching(explainer, self) if explainer.asked else None

    def chosen(self) -> list[ExplainedRow]:
        """Rows raised; without one those that came nearest, in the order of their coming."""
        return self._shown or sorted((row for _, _, row in self._near), key=lambda row: row.number)

    def take(self, explainer: Explainer, batch: NativeBatch, answers: Any, late: NativeBatch | None) -> None:
        """The rows of one run: those of the batch, and those of `late` that were set back until then."""
        if self.learning:
            return
        records, index = judged_rows(self.engine, batch, late)
        if not len(records):
            return
        columns = explainer.columns(answers)
        numbers = self.rows + 1 + np.arange(len(index))
        self.rows += len(index)
        wanted = self._is_wanted(self.engine, records[index])
        raised, near = explainer.raised(columns), explainer.near(columns)
        self.matched += int(wanted.sum())
        self.raised += int(raised[index[wanted]].sum())
        for row, number in zip(index[wanted].tolist(), numbers[wanted].tolist(), strict=True):
            if self._has_room(bool(raised[row]), float(near[row])):
                name = self.engine.endpoint_names.name(int(records["endpoint"][row]))
                said = parts(batch, row) if "payload_score" in explainer.plan.columns.get(self._detector, ()) else {}
                words = (name, unusual(batch, row))
                kept = _explained(records[row], number, words, said, bool(raised[row]), explainer, explainer.values(columns, row))
                self._keep(kept, float(near[row]))

    def _is_wanted(self, engine: ReplayEngine, records: Records) -> NDArray[np.bool_]:
        if self._entity is None:
            return np.ones(len(records), np.bool_)
        ids = np.array(sorted(candidates(self._entity, engine.keyed_hash)), np.uint64)
        return np.asarray(np.logical_or.reduce([np.isin(records[kind], ids) for kind in ENTITIES]))

    def _has_room(self, raised: bool, near: float) -> bool:
        if self._limit is None:
            return True
        if raised or self._shown:
            return raised and len(self._shown) < self._limit
        return len(self._near) < self._limit or near > self._near[0][0]

    def _keep(self, row: ExplainedRow, near: float) -> None:
        if self._limit is None or row.raised:
            self._shown.append(row)
        else:
            (heapq.heappush if len(self._near) < self._limit else heapq.heappushpop)(self._near, (near, -row.number, row))


def judged_rows(engine: ReplayEngine, batch: NativeBatch, late: NativeBatch | None) -> tuple[Records, NDArray[np.intp]]:
    """The rows of one run, numbered as its answers, and which of them were judged."""
    records = engine.row_view(batch)
    index = new_requests(records)
    if len(records):
        index = index[~marked(records[index], Mark.WAITS | Mark.MERGED)]
    if late is not None:
        alone = engine.row_view(late)
        index = np.concatenate([index, len(records) + np.flatnonzero(marked(alone, Mark.ALONE))])
        records = np.concatenate([records, alone]) if len(records) else alone
    return records, index[records["probe"][index] != 1] if len(records) else index


def _explained(
    record: Any,
    number: int,
    words: tuple[str, str],
    said: dict[str, float],
    raised: bool,
    explainer: Explainer,
    values: tuple[Value, ...],
) -> ExplainedRow:
    return ExplainedRow(
        number=number,
        start=int(record["start"]),
        trace_id=record["trace_id"].tobytes().hex(),
        span_id=record["span_id"].tobytes().hex(),
        endpoint=words[0],
        payload=words[1],
        parts=said,
        who={kind: int(record[kind]) for kind in ENTITIES if record[kind]},
        raised=raised,
        explainer=explainer,
        values=values,
    )


@dataclass(frozen=True)
class _Watching:
    explainer: Explainer
    explaining: Explaining

    @property
    def asked(self) -> list[int]:
        return self.explainer.asked

    def ran(self, batch: NativeBatch, answers: Any, late: NativeBatch | None) -> None:
        self.explaining.take(self.explainer, batch, answers, late)


def candidates(entity: str, keyed_hash: Hash) -> set[int]:
    """The ids that a text may stand for: the id itself in hexadecimal digits, or that of a user, a credential or an address."""
    return {id for id in _candidates(entity.strip(), keyed_hash) if id}


def _candidates(entity: str, keyed_hash: Hash) -> Iterable[int]:
    yield keyed_hash(entity.encode())
    with suppress(ValueError):
        yield keyed_hash(ip_address(entity).packed)
    if len(entity) == 16 and all(digit in "0123456789abcdef" for digit in entity):
        yield int(entity, 16)
