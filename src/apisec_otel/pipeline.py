"""The engine: requests in, through the processors in order, out to an exporter and the connectors.

Analysis is never the reason to refuse a span. A processor that fails is counted and named in the health report, and its
batch goes on unanalysed; only `RefusedError` refuses. No component is named here.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from apisec_otel.clock import Clock
from apisec_otel.component import Connector, Exporter, Processor, Remembers
from apisec_otel.errors import ComponentError, RefusedError
from apisec_otel.loops import Loops
from apisec_otel.spans.batch import SpanBatch
from apisec_otel.telemetry import Telemetry

log = logging.getLogger(__name__)

MINUTE = 60 * 10**9
"""Nanoseconds; a gap is told once a minute, and a component counts as degraded for as long after a fault."""
SECOND = 10**9
ENGINE = "engine"
"""What failed when requests were passed by it."""
STALLED = "requests waited over 200 ms for it"


class Delivery(Protocol):
    """Requests that were pulled together and are answered together."""

    @property
    def batch(self) -> SpanBatch:
        """Their spans; empty when nothing came and only time passes."""
        ...

    def accept(self) -> None:
        """Answers success to each sender."""
        ...

    def refuse(self, refusal: RefusedError) -> None:
        """Answers a refusal to each sender."""
        ...


Source = Iterable[Delivery]
"""Where deliveries come from: it ends when its receivers are drained or its file is read."""


class Sink(Protocol):
    """The exporter whose answer is the reply."""

    def deliver(self, delivery: Delivery) -> None:
        """Sends a delivery on and answers its senders when the backend has answered; does not wait for it."""
        ...


@dataclass(frozen=True, slots=True)
class Gap:
    """Spans went on unanalysed."""

    component: str
    reason: str
    at: int
    """Nanoseconds since 1970."""


@dataclass(kw_only=True)
class Pipeline:
    """One pipeline, ready to run; components are pairs of their id and what runs."""

    id: str
    processors: Sequence[tuple[str, Processor]] = ()
    sink: Sink | None = None
    """Answers the senders; without it they hear success once the exporters have taken the spans."""
    loops: Loops | None = None
    """Whether what the sink delivers comes back."""
    exporters: Sequence[tuple[str, Exporter]] = ()
    """Get the spans as well, and take no part in the reply."""
    connectors: Sequence[tuple[str, Connector]] = ()
    clock: Clock
    telemetry: Telemetry
    on_gap: Callable[[Gap], None] = lambda _: None
    """Told at most once a minute that spans went on unanalysed."""
    passed_by: Callable[[], float] = lambda: 0.0
    """Spans that the transport has sent on itself since it began, as they waited too long for the engine; read once a second."""
    between: Callable[[], None] = lambda: None
    """Called between two deliveries; does little."""
    _passed: float = 0.0
    _looked: int = 0
    _faults: dict[str, Gap] = field(default_factory=dict)
    _told: int = -MINUTE

    def __post_init__(self) -> None:
        """Looks up once what every batch needs."""
        self._incoming = [self._items("incoming", id) for id, _ in self.processors]
        self._outgoing = [self._items("outgoing", id) for id, _ in self.processors]
        self._steps = [self._step(id, processor.process) for id, processor in self.processors]
        self._after = [self._step(id, each.remember) for id, each in self.processors if isinstance(each, Remembers)]
        self._ends = [self._step(id, connector.consume) for id, connector in self.connectors]
        self._copies = [self._step(id, partial(_exported, exporter)) for id, exporter in self.exporters]

    def run(self, source: Source) -> None:
        """Takes every delivery of a source, strictly in order, until it ends."""
        for delivery in source:
            self.take(delivery)
            self.between()

    def take(self, delivery: Delivery) -> None:
        """Works on one delivery: every sender is answered, whatever happens."""
        batch = delivery.batch
        self._look()
        try:
            self._analyse(batch)
        except RefusedError as refusal:
            delivery.refuse(refusal)
            return
        if batch.spans:
            self._forward(delivery)
        else:
            delivery.accept()  # an empty request is a success, and an idle turn has nobody to answer
        for end in self._ends:
            self._guarded(end, batch)

    def degraded(self) -> dict[str, str]:
        """Components that failed within the last minute, and how; an exporter whose spans come back."""
        recent = self.clock.now() - MINUTE
        failed = {id: gap.reason for id, gap in list(self._faults.items()) if gap.at > recent}
        return failed | (self.loops.degraded() if self.loops else {})

    def _look(self) -> None:
        """Notices spans that did not wait for the engine (counted by the transport, told here), and those that come back."""
        now = self.clock.monotonic()
        if now - self._looked < SECOND:
            return
        self._looked = now
        if self.loops:
            self.loops.look()
        passed = self.passed_by()
        if passed > self._passed:
            gap = self._faults[ENGINE] = Gap(ENGINE, STALLED, self.clock.now())
            log.warning("%s: %d spans went on unanalysed: %s", self.id, passed - self._passed, STALLED)
            self._tell(gap)
        self._passed = passed

    def _analyse(self, batch: SpanBatch) -> None:
        spans = batch.spans
        for step, incoming, outgoing in zip(self._steps, self._incoming, self._outgoing, strict=True):
            incoming(spans)
            if not self._guarded(step, batch):
                self._gap(self._faults[step.id], spans)
                return
            outgoing(spans)
        for step in self._after:
            self._guarded(step, batch)

    def _forward(self, delivery: Delivery) -> None:
        for copy in self._copies:
            self._guarded(copy, delivery.batch)
        if self.sink is not None:
            self.sink.deliver(delivery)
        else:
            delivery.accept()

    def _items(self, way: str, id: str) -> Callable[[float], None]:
        return self.telemetry.counter(f"otelcol_processor_{way}_items", processor=id, **{"otel.signal": "traces"})

    def _step(self, id: str, run: Callable[[SpanBatch], object]) -> "_Step":
        return _Step(id, run, self.telemetry.counter("apisec_component_seconds", component=id))

    def _guarded(self, step: "_Step", batch: SpanBatch) -> bool:
        """Runs a step of a component, times it, and answers whether it went well."""
        start = self.clock.monotonic()
        try:
            step.run(batch)
        except RefusedError:
            raise
        except Exception as error:
            self._fault(step.id, error)
            return False
        finally:
            step.seconds((self.clock.monotonic() - start) / 1e9)
        return True

    def _fault(self, id: str, error: Exception) -> None:
        before = self._faults.get(id)
        now = self.clock.now()
        self._faults[id] = Gap(id, f"{type(error).__name__}: {error}", now)
        self.telemetry.add("apisec_component_faults", component=id, error=type(error).__name__)
        if before is None or now - before.at > MINUTE:
            log.error("%s: %s failed; its spans go on without it", self.id, id, exc_info=error)

    def _gap(self, gap: Gap, spans: int) -> None:
        self.telemetry.add("apisec_unanalysed_spans", spans, reason="fault", component=gap.component)
        self._tell(gap)

    def _tell(self, gap: Gap) -> None:
        if gap.at - self._told >= MINUTE:
            self._told = gap.at
            self.on_gap(gap)


@dataclass(frozen=True, slots=True)
class _Step:
    """What a component does with a batch, and where its time is counted."""

    id: str
    run: Callable[[SpanBatch], object]
    seconds: Callable[[float], None]


def _exported(exporter: Exporter, batch: SpanBatch) -> None:
    reply = exporter.export("traces", batch.encode())
    if not reply.accepted:
        raise ComponentError(f"refused: {reply.message}")
