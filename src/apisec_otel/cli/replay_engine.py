"""The pipeline of a configuration as replay runs it: the same processors, in order, on event time, asked about every row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from apisec_otel.assembly import build, native_rows, native_vocabulary, rules_of, vocabulary_of
from apisec_otel.cli.judged import Judged, Told, new_requests
from apisec_otel.cli.waiting import Waiting
from apisec_otel.clock import ManualClock
from apisec_otel.component import EndpointNames, Host, Processor, Restarts
from apisec_otel.config import Component, Config
from apisec_otel.errors import ComponentError
from apisec_otel.findings.background import DAY, NO_ROW
from apisec_otel.findings.finding import Hash, Rule
from apisec_otel.findings.policy import Tally
from apisec_otel.findings.rows import Records, View
from apisec_otel.inventory.coverage import ServiceCoverage
from apisec_otel.plan.build import Plan
from apisec_otel.plan.engine import Engine as PlanEngine
from apisec_otel.plan.engine import Executor, Late, native
from apisec_otel.plan.outside import Outside
from apisec_otel.processors.covering import Covering
from apisec_otel.processors.decide import Decide
from apisec_otel.processors.detect import Detect, Detecting
from apisec_otel.spans.batch import NativeBatch, SpanBatch
from apisec_otel.telemetry import Telemetry

CONSTANT_SECRET: Final = b"apisec-otel/demo"
"""What ids are made with when no secret is configured: the same in every replay, and known to everybody."""


class Answers(Protocol):
    """What the native plan answers when every row is asked."""

    raised: Sequence[Any]
    scores: Sequence[bytes]
    """For each signal a float64 a row."""
    learning: bytes
    """A byte a row."""
    ranks: Sequence[bytes]
    """For each signal a float64 a row, of its session; nothing of one that ranks none."""


class Watch(Protocol):
    """What looks at a plan while it runs."""

    @property
    def asked(self) -> Sequence[int]:
        """Nodes whose values it wants."""

    def ran(self, batch: NativeBatch, answers: Any, late: NativeBatch | None, /) -> None:
        """Told after each run; the answers' `values` are of the nodes asked for, for the rows of the batch and then of `late`."""


class AskAll:
    """An executor that asks every row, and keeps the answers until they are read; a watch is told of each run."""

    def __init__(self, executor: Executor, watch: Watch | None = None) -> None:
        self._executor, self._watch = executor, watch
        self.last: Any = None

    def run(self, batch: Any, ask_all: bool = True, values: Sequence[int] = (), late: Late | None = None) -> Any:
        """Every row of the batch, in order."""
        self.last = self._executor.run(batch, ask_all, self._watch.asked if self._watch else values, late)
        if self._watch:
            self._watch.ran(batch, self.last, late and late[0])
        return self.last

    def tables(self) -> list[dict[str, Any]]:
        """The size and losses of each table."""
        return self._executor.tables()

    def advance(self, time: int) -> None:
        """Lets time (ns) pass without a row."""
        self._executor.advance(time)

    def flag(self, raised: list[tuple[int, int]]) -> None:
        """Entities raised on rows that another plan judges first."""
        self._executor.flag(raised)

    def restart(self) -> None:
        """Ends a recording; baselines stay."""
        self._executor.restart()

    def split(self, settings: str, vocabulary: Any) -> None:
        """Its rows are the items of requests."""
        self._executor.split(settings, vocabulary)

    def cut(self) -> int:
        """Items that were not looked at."""
        return self._executor.cut()


@dataclass(frozen=True)
class Asked:
    """A plan that is asked about every row."""

    executor: AskAll
    signals: Sequence[str]
    """The detector of each signal."""


@dataclass(kw_only=True)
class ReplayEngine:
    """Decodes, runs the processors, and reads what the plan says of every row."""

    decode: Callable[[list[bytes]], NativeBatch]
    """ValueError when a request cannot be decoded."""
    transcode: Callable[[bytes], bytes]
    row_view: View
    keyed_hash: Hash
    vocabulary: Any
    """The native one."""
    processors: Sequence[Processor]
    plans: list[Asked] = field(default_factory=list)
    """Nothing when nothing detects; a second one where requests are judged in order as well, a third where their items are."""
    rules: Mapping[str, Rule] = field(default_factory=dict)
    shadow: frozenset[str] = frozenset()
    """Detectors on trial."""
    constant_key: bool = False
    endpoint_names: EndpointNames = field(default_factory=EndpointNames)
    _beginning: bool = False
    _waiting: Waiting = field(default_factory=Waiting)
    _untold: list[tuple[int, Told]] = field(default_factory=list)
    """What is told on its own, each from which time (ns) on."""

    @property
    def evicted(self) -> int:
        """Sessions that went for want of room, where the processor counts them."""
        return sum(int(getattr(each, "evicted", 0)) for each in self.processors if not isinstance(each, Decide))

    def view(self, batch: SpanBatch) -> Records:
        """The batch's rows."""
        return self.row_view(batch.native)

    def process(self, requests: list[bytes]) -> Judged:
        """Runs the pipeline over the requests as one batch."""
        batch = SpanBatch(self.decode(requests))
        if not (self._beginning and self._is_behind(batch)):
            return self._run(batch)
        drained = self.finish()
        self._restart()
        return replace(self._run(batch), restarted=True, drained=drained)

    def _run(self, batch: SpanBatch) -> Judged:
        for processor in self.processors:
            processor.process(batch)
        late = len(batch.steps) if batch.steps is not None and batch.steps.alone else 0
        scores, learning = _answers(self.plans[:1], len(batch) + late)
        of_items, still = _answers(self.plans[2:], len(batch))
        scores |= {name: np.pad(column, (0, late)) for name, column in of_items.items()}
        learning = learning | np.pad(still, (0, late))
        if batch.steps is None:
            told = [(len(batch), each) for each in batch.incidents]
            return Judged(batch, scores, learning, self.ended(), shadow=self.shadow, told=told)
        arrived = [finding for finding in batch.findings if not finding.step]
        index = new_requests(self.view(batch))
        self._waiting.add(index, scores, learning, arrived, self.ended(), batch.steps)
        kept, learned, findings, ended = self._waiting.take(batch.steps)
        if late:
            scores = {name: np.maximum(column, scores[name][len(batch) :]) for name, column in kept.items()}
            learning = learned | learning[len(batch) :]
        else:
            scores, learning = kept, learned
        later, still = _answers(self.plans[1:2] if len(batch.steps) else [], len(batch.steps))
        in_order = (finding for finding in batch.findings if finding.step and finding.row != NO_ROW)
        found = sorted([*findings, *in_order], key=lambda finding: finding.row)
        scores, learning = dict(sorted((scores | later).items())), learning | still
        ranks = _ranks(self.plans[1].executor.last.ranks if len(batch.steps) else (), len(batch.steps))
        told = self._told(batch, batch.steps)
        return Judged(batch, scores, learning, ended, shadow=self.shadow, held_findings=found, ranks=ranks, told=told)

    def _told(self, batch: SpanBatch, steps: SpanBatch) -> list[tuple[int, Told]]:
        """What is told now, each before the first request that began later: so it stands behind all that it speaks of."""
        self._untold += [(each.time, each) for each in batch.incidents]
        self._untold += [((each.start // DAY + 1) * DAY, each) for each in batch.findings if each.row == NO_ROW]
        if not self._untold or not (batch.over or len(steps)):
            return []
        times = self.row_view(steps.native)["time"] if len(steps) else np.zeros(0, np.int64)
        places = [(int(np.argmax(times >= since)) if (times >= since).any() else len(steps), since, each) for since, each in self._untold]
        waits = [place == len(steps) and not batch.over for place, _, _ in places]
        self._untold = [(since, each) for (_, since, each), wait in zip(places, waits, strict=True) if wait]
        return [(place, each) for (place, _, each), wait in zip(places, waits, strict=True) if not wait]

    def begin(self) -> None:
        """What is processed next is the beginning of a file."""
        self._beginning = True

    def finish(self) -> Judged | None:
        """What was held is judged; None where rows are judged as they come."""
        if len(self.plans) < 2:
            return None
        batch = SpanBatch(self.decode([]))
        batch.over = True
        return self._run(batch)

    def learned(self) -> None:
        """Ends the recording that taught: its last windows close, and its spans are none that were seen."""
        self.finish()
        self._restart()

    def _restart(self) -> None:
        for each in self.processors:
            if isinstance(each, Restarts):
                each.restart()

    def _is_behind(self, batch: SpanBatch) -> bool:
        """Whether a file begins, with its first request, over 10 minutes behind."""
        told = [each.is_behind(batch) for each in self.processors if hasattr(each, "is_behind")]
        self._beginning = any(behind is None for behind in told)
        return any(told)

    def coverage(self) -> list[ServiceCoverage]:
        """What is known of each service's telemetry."""
        return [service for each in self.processors if isinstance(each, Detecting) for service in each.coverage()]

    def tallies(self) -> list[Tally]:
        """How often each override and each allowed caller applied since the start."""
        return [tally for each in self.processors if isinstance(each, Decide) for tally in each.policy.tallies()]

    def ended(self) -> list[tuple[int, int]]:
        """Sessions that ended since it was last asked, where the processor says it."""
        return [ended for each in self.processors if hasattr(each, "ended") for ended in each.ended()]


def _answers(plans: Sequence[Asked], rows: int) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.bool_]]:
    """The best score that each detector gives each row, and whether one of them still learns."""
    best: dict[str, NDArray[np.float64]] = {}
    for asked in plans:
        answers: Answers = asked.executor.last
        for detector, scores in zip(asked.signals, answers.scores, strict=True):
            column = np.nan_to_num(np.frombuffer(scores, np.float64))
            best[detector] = np.maximum(best[detector], column) if detector in best else column
        return best, np.frombuffer(answers.learning, np.uint8) == 1
    return best, np.zeros(rows, np.bool_)


def _ranks(told: Sequence[bytes], rows: int) -> NDArray[np.float64]:
    """What each row says of its session's rank, the largest of all detectors; 0 where none does."""
    best = np.zeros(rows)
    for ranks in filter(None, told):
        best = np.fmax(best, np.frombuffer(ranks, np.float64))
    return best


def engine_of(config: Config, watch: Callable[[Plan], Watch | None] = lambda plan: None) -> ReplayEngine:
    """The engine of a configuration: its pipeline of traces. ComponentError names what cannot be built.

    `watch` is asked about each plan who looks at it while it runs.
    """
    vocabulary = vocabulary_of(config, CONSTANT_SECRET)
    native_module, words, view = import_module("apisec_otel._native"), native_vocabulary(vocabulary), native_rows()
    host = Host(
        clock=ManualClock(), telemetry=Telemetry(), vocabulary=words, view=view, rules=rules_of(config), custom=config.custom_columns()
    )
    engine = ReplayEngine(
        decode=lambda requests: native_module.decode(requests, words),
        transcode=native_module.transcode,
        row_view=view,
        keyed_hash=words.hash,
        vocabulary=words,
        processors=(),
        rules={id: Rule.of(id, settings) for id, settings in host.rules.items()},
        constant_key=vocabulary[1] == CONSTANT_SECRET,
        endpoint_names=host.endpoint_names,
    )
    engine.processors = [_processor(each, host, engine, watch) for each in _steps(config)]
    engine.ended()  # kept from now on
    return engine


def _steps(config: Config) -> Sequence[Component]:
    for pipeline in config.pipelines:
        if pipeline.id.type == "traces" and any(each.family == "receivers" for each in pipeline.receivers):
            # Bytes in flight: a file can wait.
            return [each for each in pipeline.processors if each.id.type != "memory_limiter"]
    raise ComponentError("replay needs a pipeline of traces with a receiver; this configuration has none")


def _processor(component: Component, host: Host, engine: ReplayEngine, watch: Callable[[Plan], Watch | None]) -> Processor:
    settings = component.settings
    if not isinstance(settings, Detect):
        built: Processor = build(component, host)
        return built

    def asked(plan: Plan) -> PlanEngine:
        outside = Outside(plan.functions)
        executor = AskAll(native(plan.spec, outside), watch(plan))
        engine.plans.append(Asked(executor, [each.detector for each in plan.statements]))
        return PlanEngine(plan, executor, outside)

    engine.shadow = frozenset(id for id, _, mode, _ in settings.running() if mode == "shadow")
    detecting = settings.detecting(asked, host)
    detecting.cover(Covering(settings.coverage(host.custom), every=1))
    return detecting
