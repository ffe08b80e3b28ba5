"""The pipeline of a configuration as replay runs it: the same processors, in order, on event time, asked about every row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from apisec_otel.assembly import build, native_rows, native_vocabulary, rules_of, vocabulary_of
from apisec_otel.cli.judged import Judged
from apisec_otel.clock import ManualClock
from apisec_otel.component import EndpointNames, Host, Processor, Restarts
from apisec_otel.config import Component, Config
from apisec_otel.errors import ComponentError
from apisec_otel.findings.finding import Hash, Rule
from apisec_otel.findings.rows import Records, View
from apisec_otel.inventory.coverage import ServiceCoverage
from apisec_otel.plan.engine import Engine as PlanEngine
from apisec_otel.plan.engine import Executor, native
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


class AskAll:
    """An executor that asks every row, and keeps the answers until they are read."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.last: Any = None

    def run(self, batch: Any, ask_all: bool = True) -> Any:
        """Every row of the batch, in order."""
        self.last = self._executor.run(batch, ask_all)
        return self.last

    def tables(self) -> list[dict[str, Any]]:
        """The size and losses of each table."""
        return self._executor.tables()

    def advance(self, time: int) -> None:
        """Lets time (ns) pass without a row."""
        self._executor.advance(time)

    def restart(self) -> None:
        """Ends a recording; baselines stay."""
        self._executor.restart()


@dataclass(kw_only=True)
class ReplayEngine:
    """Decodes, runs the processors, and reads what the plan says of every row."""

    decode: Callable[[list[bytes]], NativeBatch]
    """ValueError when a request cannot be decoded."""
    transcode: Callable[[bytes], bytes]
    row_view: View
    keyed_hash: Hash
    processors: Sequence[Processor]
    asked: AskAll | None = None
    """None when nothing detects."""
    signals: Sequence[str] = ()
    """The detector of each signal of the plan."""
    rules: Mapping[str, Rule] = field(default_factory=dict)
    shadow: frozenset[str] = frozenset()
    """Detectors on trial."""
    constant_key: bool = False
    endpoint_names: EndpointNames = field(default_factory=EndpointNames)
    _beginning: bool = False

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
        restarts = self._beginning and self._is_behind(batch)
        if restarts:
            self._restart()
        for processor in self.processors:
            processor.process(batch)
        scores, learning = self._answers(len(batch))
        return Judged(batch, scores, learning, self.ended(), restarts, self.shadow)

    def begin(self) -> None:
        """What is processed next is the beginning of a file."""
        self._beginning = True

    def finish(self) -> Judged | None:
        """Nothing is held: rows are judged as they come."""
        return None

    def learned(self) -> None:
        """Ends the recording that taught: its last windows close, and its spans are none that were seen."""
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

    def _answers(self, rows: int) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.bool_]]:
        """The best score that each detector gives each row, and whether one of them still learns."""
        if self.asked is None or self.asked.last is None:
            return {}, np.zeros(rows, np.bool_)
        answers: Answers = self.asked.last
        best: dict[str, NDArray[np.float64]] = {}
        for detector, scores in zip(self.signals, answers.scores, strict=True):
            column = np.nan_to_num(np.frombuffer(scores, np.float64))
            best[detector] = np.maximum(best[detector], column) if detector in best else column
        return best, np.frombuffer(answers.learning, np.uint8) == 1

    def coverage(self) -> list[ServiceCoverage]:
        """What is known of each service's telemetry."""
        return [service for each in self.processors if isinstance(each, Detecting) for service in each.coverage()]

    def ended(self) -> list[tuple[int, int]]:
        """Sessions that ended since it was last asked, where the processor says it."""
        return [ended for each in self.processors if hasattr(each, "ended") for ended in each.ended()]


def engine_of(config: Config) -> ReplayEngine:
    """The engine of a configuration: its pipeline of traces. ComponentError names what cannot be built."""
    vocabulary = vocabulary_of(config, CONSTANT_SECRET)
    native_module, words, view = import_module("apisec_otel._native"), native_vocabulary(vocabulary), native_rows()
    host = Host(clock=ManualClock(), telemetry=Telemetry(), vocabulary=words, view=view, rules=rules_of(config))
    engine = ReplayEngine(
        decode=lambda requests: native_module.decode(requests, words),
        transcode=native_module.transcode,
        row_view=view,
        keyed_hash=words.hash,
        processors=(),
        rules={id: Rule.of(id, settings) for id, settings in host.rules.items()},
        constant_key=vocabulary[1] == CONSTANT_SECRET,
        endpoint_names=host.endpoint_names,
    )
    engine.processors = [_processor(each, host, engine) for each in _steps(config)]
    engine.ended()  # kept from now on
    return engine


def _steps(config: Config) -> Sequence[Component]:
    for pipeline in config.pipelines:
        if pipeline.id.type == "traces" and any(each.family == "receivers" for each in pipeline.receivers):
            # Bytes in flight: a file can wait.
            return [each for each in pipeline.processors if each.id.type != "memory_limiter"]
    raise ComponentError("replay needs a pipeline of traces with a receiver; this configuration has none")


def _processor(component: Component, host: Host, engine: ReplayEngine) -> Processor:
    settings = component.settings
    if not isinstance(settings, Detect):
        built: Processor = build(component, host)
        return built
    plan = settings.plan()
    engine.asked = AskAll(native(plan.spec))
    engine.signals = [each.detector for each in plan.statements]
    engine.shadow = frozenset(id for id, _, mode, _ in settings.running() if mode == "shadow")
    detecting = Detecting(PlanEngine(plan, engine.asked), engine.shadow, host, tell_shadow=True)
    detecting.cover(Covering(settings.coverage(), every=1))
    return detecting
