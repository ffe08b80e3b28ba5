"""Runs all detectors at once: together they are one plan, which the native engine runs in one call a batch."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from apisec_otel.component import Chosen, Host, Nested, Processor, Size
from apisec_otel.errors import ComponentError
from apisec_otel.findings.unusual import unusual
from apisec_otel.inventory.coverage import Coverage, ServiceCoverage
from apisec_otel.plan import build as plan
from apisec_otel.plan.build import Plan, Plans
from apisec_otel.plan.cost import costs
from apisec_otel.plan.draft import Chosen as PlanChosen
from apisec_otel.plan.draft import draft
from apisec_otel.plan.engine import Engine
from apisec_otel.plan.engine import Raised as Said
from apisec_otel.plan.outside import Running
from apisec_otel.plan.rows import ITEMS_ONLY
from apisec_otel.plan.signal import SEVERITIES
from apisec_otel.processors import river_check
from apisec_otel.processors.covering import Covering
from apisec_otel.processors.ordering import Ordering
from apisec_otel.processors.ranking import SHARE, Ranking
from apisec_otel.spans.batch import Released, SpanBatch
from apisec_otel.spans.items import splitting_json

Mode = Literal["alert", "shadow", "off"]


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What holds for a detector that does not say otherwise."""

    mode: Mode = "alert"
    """alert: findings. shadow: counted only. off: not run."""
    q: float = 1e-4
    """A signal without a condition of its own is raised below this probability."""

    def __post_init__(self) -> None:
        """Refuses what is no probability."""
        if not 0 < self.q < 1:
            raise ValueError("q is a probability, above 0 and below 1")


@dataclass(frozen=True, kw_only=True)
class EngineKeys:
    """The engine's keys beside a detector's own settings."""

    mode: Mode | None = None
    """alert: findings. shadow: counted only. off: not run. As in `defaults` when left out."""
    q: float | None = None
    """A signal without a condition of its own is raised below this probability. As in `defaults` when left out."""


@dataclass(frozen=True, kw_only=True)
class Detect:
    """Runs the detectors; every one that is installed runs unless its mode is `off`, in the configuration or by its own word."""

    needs: ClassVar[frozenset[str]] = frozenset({"request", "endpoint", "session"})
    provides: ClassVar[frozenset[str]] = frozenset({"signals"})

    defaults: Defaults = field(default_factory=Defaults)
    """What holds for a detector that does not say otherwise."""
    detectors: Annotated[dict[str, Chosen], Nested("detectors", EngineKeys)] = field(default_factory=dict)
    """Settings by detector, the engine's keys (mode, q) among them; an installed one that is not named has its defaults."""
    max_bytes: Size = 96 << 20
    """Most memory for what the detectors remember; past it the least useful is forgotten."""
    max_held: Size = 32 << 20
    """Most memory for requests that wait to be judged in order; past it the earliest are judged before their time."""

    def table_bytes(self) -> int:
        """Cap of the plan's tables and of what is held."""
        return self.max_bytes + self.max_held

    def running(self) -> Iterator[tuple[str, Any, Mode, float]]:
        """Id, settings, mode and q of each detector that is not off, by id."""
        for id, chosen in sorted(self.detectors.items()):
            mode = chosen.beside.mode or getattr(type(chosen.settings), "mode", None) or self.defaults.mode
            if mode != "off":
                yield id, chosen.settings, mode, chosen.beside.q or self.defaults.q

    def verify(self, custom: Mapping[str, str]) -> list[str]:
        """Plans without running and tells what is slow; raises ComponentError or ValueError with what a detector did wrong."""
        made = {id: each.settings for id, each in self.detectors.items() if hasattr(each.settings, "river")}
        river_check.refuse(made, custom)
        plans = self.plan(custom=custom)
        told = (note for id, each, *_ in self.running() if id in made for note in river_check.costs(id, each))
        return [*told, *costs(plans.requests), *costs(plans.steps), *costs(plans.items)]

    def reads(self, custom: Mapping[str, str]) -> dict[str, frozenset[str]]:
        """By running detector, the columns that it reads."""
        return plan.columns_read(*draft(self._chosen(), custom=custom))

    def without_p(self, custom: Mapping[str, str]) -> set[str]:
        """Running detectors none of whose signals has a p-value: their q moves nothing."""
        _, drafts = draft(self._chosen(), custom=custom)
        return {one.chosen.id for one in drafts} - {one.chosen.id for one in drafts if one.p is not None}

    def plan(self, meanings: Mapping[str, str] | None = None, custom: Mapping[str, str] | None = None) -> Plans:
        """The plans of all running detectors.

        `meanings` says what the values of columns depend on, `custom` of which kinds configured columns are.
        """
        return plan.plans(self._chosen(), memory=self.max_bytes - self.max_bytes // SHARE, meanings=meanings, custom=custom)

    def coverage(self, custom: Mapping[str, str] | None = None) -> Coverage:
        """What the running detectors read of requests, and which of them are blind without it."""
        graph, drafts = draft(self._chosen(), custom=custom)
        return Coverage(graph, drafts, {id: read - ITEMS_ONLY for id, read in plan.columns_read(graph, drafts).items()})

    def _chosen(self) -> list[PlanChosen]:
        return [PlanChosen(id=id, detector=each, q=q, flags=mode == "alert") for id, each, mode, q in self.running()]

    def build(self, host: Host) -> Processor:
        """The running plan."""
        try:
            running = self.detecting(Engine, host)
        except ImportError as error:
            raise ComponentError(f"processors::{host.id}: the native module is not built: {error}; run `make build`") from error
        running.cover(Covering(self.coverage(host.custom)))
        return running

    def detecting(self, engine: Callable[[Plan], Engine], host: Host) -> "Detecting":
        """The plans at work in engines that `engine` makes."""
        plans = self.plan(host.meanings, host.custom)
        shadow = frozenset(id for id, _, mode, _ in self.running() if mode == "shadow")
        running = Detecting(engine(plans.requests), shadow, host)
        running.in_order(engine(plans.steps), Ordering(self.max_held, host))
        ranking = [at for at, each in enumerate(plans.steps.statements) if each.ranks and each.detector not in shadow]
        if plans.items.statements:
            running.by_item(engine(plans.items))
        if ranking:
            running.ranked(Ranking(ranking, self.max_bytes // SHARE, host))
        return running


@dataclass(frozen=True, slots=True)
class Raised:
    """One signal raised on one row, in words and numbers."""

    row: int
    detector: str
    owasp: str
    severity: int
    p: float
    score: float
    entity: int
    entity_kind: str
    evidence: Mapping[str, tuple[float, float]]
    sentence: str
    rank: float = 0.0
    """How suspicious its session is as of the row, 0 to 1; 0 when not known."""
    stated: bool = True
    """Whether p is its own; the detector's q stands for it where it has none."""
    shadow: bool = False
    """By a detector on trial: told, and nothing more."""


class Detecting:
    """The plan at work; Python runs for each signal, never for each span."""

    def __init__(self, engine: Engine, shadow: frozenset[str], host: Host) -> None:
        self._engine, self._shadow, self._host = engine, shadow, host
        self._covering: Covering | None = None
        self._ordering: Ordering | None = None
        self._ranking: Ranking | None = None
        self._items: Engine | None = None
        self._steps = engine
        self._owasp: dict[str, str] = {}
        self._q: dict[str, float] = {}
        self._watch(engine)

    def in_order(self, engine: Engine, ordering: Ordering) -> None:
        """Judges requests in order as well."""
        self._steps, self._ordering = engine, ordering
        self._watch(engine)

    def by_item(self, engine: Engine) -> None:
        """Judges the items of requests as well."""
        engine.executor.split(splitting_json(), self._host.vocabulary)
        self._items = engine
        self._watch(engine)
        self._host.telemetry.observe("apisec_items_cut", lambda: float(engine.executor.cut()), "counter")

    def ranked(self, ranking: Ranking) -> None:
        """Ranks the sessions of what is raised as well."""
        self._ranking = ranking

    def _watch(self, engine: Engine) -> None:
        host = self._host
        self._owasp |= {each.detector: each.owasp for each in engine.plan.statements}
        self._q |= {each.chosen.id: each.chosen.q for each in engine.plan.source.drafts}
        for at, table in enumerate(engine.tables()):
            for name in ("entries", "bytes"):
                host.telemetry.observe(f"apisec_table_{name}", partial(_table, engine, at, name), table=table["identity"][:8])
            for name in ("evicted", "expired"):
                host.telemetry.observe(f"apisec_table_{name}", partial(_table, engine, at, name), "counter", table=table["identity"][:8])

        for function in engine.outside.running:
            for name in ("faults", "evicted"):
                host.telemetry.observe(f"apisec_function_{name}", partial(_counted, function, name), "counter", function=function.name)
            host.telemetry.observe("apisec_function_keys", partial(_counted, function, "keys"), function=function.name)

    def cover(self, covering: Covering) -> None:
        """Watches what requests lack as well."""
        self._covering = covering
        self._host.telemetry.observe("apisec_silences", covering.silences, "counter")

    def coverage(self) -> list[ServiceCoverage]:
        """What is known of each service's telemetry; empty where it is not watched."""
        return self._covering.services() if self._covering else []

    def process(self, batch: SpanBatch) -> None:
        """Puts what is raised on the batch; that of a detector on trial is marked so."""
        if self._covering and batch.now is None:
            self._covering.process(batch.native)
        if self._ordering is not None:
            batch.steps = self._ordering.take(batch)
        self._judge_as_they_come(batch, batch.steps)
        if batch.now is not None:
            self._engine.advance(batch.now)
            if self._items is not None:
                self._items.advance(batch.now)
            if self._covering:
                self._covering.advance(batch.now)
        if self._ordering is not None and batch.steps is not None:
            self._judge_in_order(batch.steps, None if batch.now is None else self._ordering.bound())
        if self._ranking is not None:
            self._ranking.rank(batch, self._steps.ranks)

    def _judge_as_they_come(self, batch: SpanBatch, steps: Released | None) -> None:
        """The rows of the batch, and between them those of gateways whose time to wait is over."""
        late = steps if steps is not None and steps.alone else None
        if batch.now is None and self._items is not None:
            self._judge_items(batch, self._items)
        if batch.now is not None and late is None:
            return
        first = len(batch)
        said = self._engine.observe(
            batch.native,
            lambda row: self._words(batch, row) if late is None or row < first else self._words(late, row - first),
            None if late is None else (late.native, late.before.tobytes()),
        )
        for each in said:
            if late is None or each.row < first:
                self._tell(batch, each)
            else:
                self._tell(late, replace(each, row=each.row - first))
        if said and self._ordering is not None:
            self._flag(batch, late, said)

    def _judge_items(self, batch: SpanBatch, items: Engine) -> None:
        said = items.observe(batch.native, lambda row: self._words(batch, row))
        for each in said:
            self._tell(batch, each)
        if said and self._ordering is not None:
            self._flag(batch, None, said)

    def _flag(self, batch: SpanBatch, late: Released | None, said: Sequence[Said]) -> None:
        """Who was raised as he came teaches nothing in order either; requests in order are 6 s behind, so the cut is no matter."""
        streams = [self._host.view(each.native)["stream"] for each in (batch, late) if each is not None and len(each)]
        stream = np.concatenate(streams)
        alert = [each for each in said if each.detector not in self._shadow]
        self._steps.flag([(each.entity, int(stream[each.row])) for each in alert])

    def _judge_in_order(self, steps: Released, bound: int | None) -> None:
        if len(steps):
            for each in self._steps.observe(steps.native, lambda row: self._words(steps, row)):
                self._tell(steps, each)
        if bound is not None:
            self._steps.advance(bound)

    def _tell(self, batch: SpanBatch, each: Said) -> None:
        mode = "shadow" if each.detector in self._shadow else "alert"
        self._host.telemetry.add("apisec_signals", detector=each.detector, mode=mode)
        batch.raised.append(self._spoken(each))

    @property
    def meaning(self) -> str:
        """Each table and kernel has an identity of its own."""
        return ""

    def snapshot(self) -> Iterator[bytes]:
        """All that detectors remember; before each shard a byte that says of what. Rows are held after what they will be counted in."""
        for kind, kept in self._kept().items():
            for shard in kept.snapshot():
                yield kind + shard

    def restore(self, shards: Iterable[bytes]) -> Sequence[str]:
        """Goes on from there; what computes something else than before begins anew."""
        waiting = self._kept()
        cold: list[str] = []
        for kind, group in groupby(shards, key=lambda shard: shard[:1]):
            if (kept := waiting.pop(kind, None)) is not None:
                cold += kept.restore(shard[1:] for shard in group)
        return cold + [each for kept in waiting.values() for each in kept.restore(())]

    def _kept(self) -> dict[bytes, Engine | Ranking | Ordering]:
        kept: dict[bytes, Engine | Ranking | Ordering] = {b"r": self._engine}
        if self._items is not None:
            kept |= {b"i": self._items}
        if self._ordering is not None:
            kept |= {b"s": self._steps}
        if self._ranking is not None:
            kept |= {b"k": self._ranking}
        return kept if self._ordering is None else kept | {b"h": self._ordering}

    def restart(self) -> None:
        """Ends a recording: windows close, tallies and flags go, baselines stay."""
        self._engine.restart()
        if self._items is not None:
            self._items.restart()
        if self._ordering is not None:
            self._steps.restart()
            self._ordering.restart()
        if self._ranking is not None:
            self._ranking.restart()

    def _words(self, batch: SpanBatch, row: int) -> dict[str, str]:
        endpoint = self._host.endpoint_names.name(int(self._host.view(batch.native)["endpoint"][row]))
        return {"endpoint": endpoint, "payload": unusual(batch.native, row)}

    def _spoken(self, each: Said) -> Raised:
        return Raised(
            row=each.row,
            detector=each.detector,
            owasp=self._owasp[each.detector],
            severity=SEVERITIES.index(each.severity),
            p=each.p,
            score=each.score,
            entity=each.entity,
            entity_kind=each.entity_type,
            evidence={name: (_number(observed), _number(expected)) for name, (observed, expected) in each.evidence.items()},
            sentence=each.sentence,
            stated=each.p != self._q[each.detector],
            shadow=each.detector in self._shadow,
        )


def _table(engine: Engine, at: int, name: str) -> float:
    return float(engine.tables()[at][name])


def _counted(function: Running, name: str) -> float:
    return float(getattr(function, name))


def _number(value: float | None) -> float:
    return math.nan if value is None else value
