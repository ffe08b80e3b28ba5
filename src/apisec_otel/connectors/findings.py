"""Findings become log events, finding spans and metrics, in the pipelines that name this connector as receiver."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from typing import ClassVar, Final, Protocol

from apisec_otel.component import Exporter, Host
from apisec_otel.connectors.outbox import Outbox, Signal
from apisec_otel.findings.finding import Finding, Hash, Rule
from apisec_otel.findings.metrics import Counts
from apisec_otel.findings.rows import Batch, View
from apisec_otel.findings.wire import Rules, logs_request, spans_request
from apisec_otel.reply import ACCEPTED, Reply
from apisec_otel.spans.batch import SpanBatch

log = logging.getLogger(__name__)

Clock = Callable[[], int]
"""Nanoseconds since 1970."""

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
"""Seconds between tries at a backend that says: later."""


class Sender(Protocol):
    """The exporters of the connector's pipelines."""

    def send(self, signal: Signal, payload: bytes) -> Reply:
        """Hands an OTLP request on; may wait for the backend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingsSettings:
    """What goes out about findings, and how much may wait."""

    logs: bool = True
    """A log event for each finding."""
    spans: bool = True
    """A span in the offending trace for each finding: UIs without logs show it."""
    metrics: bool = True
    """Counts of findings, and of requests by endpoint."""
    metrics_interval: timedelta = timedelta(seconds=60)
    """Between two exports of metrics."""
    outbox_mib: int = 16
    """Most that may wait for a backend; what comes on top is dropped and counted."""

    needs: ClassVar[frozenset[str]] = frozenset({"findings"})
    gives: ClassVar[frozenset[str]] = frozenset({"traces", "logs", "metrics"})

    def build(self, host: Host) -> Connected:
        """The connector, sending to the exporters of the pipelines that it feeds."""
        rules = {id: Rule(id, (rule.__doc__ or "").strip().partition("\n")[0]) for id, rule in host.rules.items()}
        sender = Fan({signal: tuple(exporters) for signal, exporters in host.outputs.items()})
        return Connected(Findings(self, sender, host.view, host.vocabulary.hash, host.clock.now, rules, version("apisec-otel")))


@dataclass(frozen=True, slots=True)
class Fan:
    """Sends to every exporter of a signal; the first that refuses answers for all. A signal without exporters is taken and gone."""

    exporters: Mapping[Signal, tuple[Exporter, ...]]

    def send(self, signal: Signal, payload: bytes) -> Reply:
        """Hands an OTLP request on."""
        replies = [exporter.export(signal, [payload]) for exporter in self.exporters.get(signal, ())]
        return next((reply for reply in replies if not reply.accepted), ACCEPTED)


@dataclass(frozen=True, slots=True)
class Connected:
    """The end of a pipeline of traces."""

    findings: Findings

    def consume(self, batch: SpanBatch) -> None:
        """Takes what `decide` put on the batch."""
        self.findings.consume(batch.native, batch.findings)
        self.findings.tick()

    def start(self) -> None:
        """Sends in a thread of its own."""
        self.findings.start()

    def stop(self) -> None:
        """Sends what still waits."""
        self.findings.stop()


class Findings:
    """Builds what goes out and hands it to `sender`: in a thread of its own after `start`, else when `flush` is called.

    Only findings that are shown go out; suppressed ones are counted by their cause. A request that a backend refuses
    for good is dropped and counted; one that it may take later is tried again.
    """

    def __init__(
        self, settings: FindingsSettings, sender: Sender, view: View, keyed_hash: Hash, clock: Clock, rules: Rules, version: str
    ) -> None:
        self._settings, self._sender, self._view, self._hash = settings, sender, view, keyed_hash
        self._clock, self._rules, self._version = clock, rules, version
        self._counts = Counts(clock())
        self._due = clock() + self._interval
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.outbox = Outbox(settings.outbox_mib << 20)
        self.refused: Counter[Signal] = Counter()
        """Requests that a backend refused for good, by signal."""
        self.suppressed: Counter[str] = Counter()
        """Findings not shown, by cause."""

    @property
    def _interval(self) -> int:
        return self._settings.metrics_interval // timedelta(microseconds=1) * 1000

    def consume(self, batch: Batch, findings: Sequence[Finding]) -> None:
        """Takes a judged batch and its findings; never waits."""
        if self._settings.metrics and len(batch):
            self._counts.count_requests(batch, self._view(batch))
        self.suppressed.update(finding.suppressed for finding in findings if finding.suppressed)
        shown = [finding for finding in findings if not finding.suppressed]
        if not shown:
            return
        self._counts.count_findings(shown)
        if self._settings.logs:
            self.outbox.offer("logs", logs_request(shown, self._rules, self._version, self._clock()))
        if self._settings.spans:
            self.outbox.offer("traces", spans_request(shown, self._rules, self._version, self._hash))

    def tick(self, force: bool = False) -> None:
        """Exports metrics when they are due."""
        now = self._clock()
        if self._settings.metrics and (force or now >= self._due):
            self._due = now + self._interval
            self.outbox.offer("metrics", self._counts.request(self._version, now))

    def flush(self) -> bool:
        """Sends what waits. False when a backend asked to come later; what it was asked stays first."""
        while (first := self.outbox.first()) is not None:
            if not self._send(*first):
                return False
        return True

    def start(self) -> None:
        """Sends from now on in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="findings", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Exports the metrics a last time, sends what still waits as far as `timeout` seconds allow, and ends."""
        self.tick(force=True)
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout)
        else:
            self.flush()

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not (self._stopping.is_set() and not len(self.outbox)):
            first = self.outbox.first(timeout=0.2)
            if first is None or self._send(*first):
                pause = FIRST_PAUSE
            elif self._stopping.is_set():
                return
            else:
                self._stopping.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _send(self, signal: Signal, payload: bytes) -> bool:
        """Sends one request; True when it is dealt with."""
        try:
            reply = self._sender.send(signal, payload)
        except Exception as error:
            reply = Reply(False, message=f"{type(error).__name__}: {error}")
        if reply.retryable and not reply.accepted:
            return False
        self.outbox.done()
        if not reply.accepted:
            self.refused[signal] += 1
            if self.refused[signal] == 1:
                log.warning("findings: the backend does not take our %s (said once): %s", signal, reply.message)
        return True
