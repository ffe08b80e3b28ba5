"""Findings become log events, finding spans and metrics, in the pipelines that name this connector as receiver."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib.metadata import version
from typing import ClassVar, Final, Protocol

from apisec_otel.clock import Clock
from apisec_otel.component import EndpointNames, Exporter, Host, Queues, Signal
from apisec_otel.connectors.lane import Lane
from apisec_otel.connectors.outbox import Outbox
from apisec_otel.findings import background, gap
from apisec_otel.findings.finding import Finding, Hash, Rule
from apisec_otel.findings.gap import gap_finding
from apisec_otel.findings.incident import Incident
from apisec_otel.findings.incident_wire import incidents_request
from apisec_otel.findings.metrics import Counts
from apisec_otel.findings.rows import View
from apisec_otel.findings.wire import Rules, logs_request, spans_request
from apisec_otel.reply import ACCEPTED, Reply
from apisec_otel.spans.batch import SpanBatch
from apisec_otel.telemetry import Telemetry

log = logging.getLogger(__name__)

OWN: Final = {gap.DETECTOR: gap.RULE, background.DETECTOR: background.RULE}
"""Findings that no detector raises."""

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
"""Seconds between tries at a backend that says: later."""


class Gap(Protocol):
    """Spans went on unanalysed."""

    @property
    def component(self) -> str:
        """The id of what failed."""

    @property
    def reason(self) -> str:
        """How."""

    @property
    def at(self) -> int:
        """Nanoseconds since 1970."""


class Sender(Protocol):
    """The exporters of the connector's pipelines."""

    def send(self, signal: Signal, payload: bytes) -> Reply:
        """Hands an OTLP request on; may wait for the backend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingsSettings:
    """Sends findings and incidents as log events, findings as spans in the offending traces, and metrics."""

    needs: ClassVar[frozenset[str]] = frozenset({"findings"})
    gives: ClassVar[frozenset[str]] = frozenset({"traces", "logs", "metrics"})

    logs: bool = True
    """A log event for each finding, and for each change of an incident."""
    spans: bool = True
    """A span in the offending trace for each finding: UIs without logs show it."""
    metrics: bool = True
    """Counts of findings, and of requests by endpoint."""
    metrics_interval: timedelta = timedelta(seconds=60)
    """Between two exports of metrics."""
    outbox_mib: int = 16
    """Most that may wait for a backend; what comes on top is dropped and counted."""

    def __post_init__(self) -> None:
        """Refuses an outbox without room and metrics without pause."""
        if self.outbox_mib < 1:
            raise ValueError("outbox_mib must be at least 1")
        if self.metrics_interval < timedelta(seconds=1):
            raise ValueError("metrics_interval must be at least 1s")

    def build(self, host: Host) -> Findings:
        """The running connector; it makes only what some pipeline takes."""
        rules = {id: Rule.of(id, settings) for id, settings in host.rules.items()}
        takes = {"logs": self.logs, "traces": self.spans, "metrics": self.metrics}
        outputs = {signal: exporters for signal, exporters in host.outputs.items() if exporters and takes[signal]}
        slow = {signal: [each for each in exporters if not isinstance(each, Queues)] for signal, exporters in outputs.items()}
        made = Findings(
            self, Fan(slow), frozenset(outputs), host.view, host.vocabulary.hash, host.clock, host.telemetry, rules, host.endpoint_names
        )
        made.lane = Lane(outputs, self.outbox_mib << 20)
        return made


class Fan:
    """Hands a request to each exporter of its signal."""

    def __init__(self, outputs: Mapping[Signal, Sequence[Exporter]]) -> None:
        self._outputs = outputs

    def send(self, signal: Signal, payload: bytes) -> Reply:
        """The worst of the replies; not worth another try once one exporter has taken it."""
        replies = [exporter.export(signal, [payload]) for exporter in self._outputs.get(signal, ())]
        refused = [reply for reply in replies if not reply.accepted]
        if not refused:
            return ACCEPTED
        return refused[0] if len(refused) == len(replies) else replace(refused[0], retryable=False)


class Findings:
    """Builds what goes out and hands it to `sender`: in a thread of its own after `start`, else when `flush` is called.

    Only findings that are shown go out; suppressed ones are counted by their cause. A request that a backend refuses
    for good is dropped and counted; one that it may take later is tried again.
    """

    def __init__(
        self,
        settings: FindingsSettings,
        sender: Sender,
        signals: frozenset[Signal],
        view: View,
        keyed_hash: Hash,
        clock: Clock,
        telemetry: Telemetry,
        rules: Rules,
        names: EndpointNames | None = None,
    ) -> None:
        self._settings, self._sender, self._signals, self._view, self._hash = settings, sender, signals, view, keyed_hash
        self._clock, self._telemetry, self._rules, self._version = clock, telemetry, {**OWN, **rules}, version("apisec-otel")
        self._counts = Counts(clock.now(), names or EndpointNames())
        self._due = clock.now() + self._interval
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.outbox = Outbox(settings.outbox_mib << 20)
        self.lane = Lane({}, 0)
        """For exporters that never wait for a backend; none by default."""
        self.refused: Counter[Signal] = Counter()
        """Requests that a backend refused for good, by signal."""

    @property
    def _interval(self) -> int:
        return self._settings.metrics_interval // timedelta(microseconds=1) * 1000

    def consume(self, batch: SpanBatch) -> None:
        """Takes a judged batch and its findings; never waits. An empty batch lets time pass."""
        if "metrics" in self._signals and len(batch):
            self._counts.count_requests(batch.native, self._view(batch.native))
        self._show(batch.findings)
        self._raise(batch.incidents)
        self.tick()

    def gap(self, gap: Gap) -> None:
        """Spans went on unanalysed: a finding of its own, so that nobody can blind the analysis silently."""
        self._show([gap_finding(self._hash, gap.component, gap.reason, gap.at)])

    def tick(self, force: bool = False) -> None:
        """Exports metrics when they are due; in the engine's thread, like `consume`."""
        now = self._clock.now()
        if "metrics" in self._signals and (force or now >= self._due):
            self._due = now + self._interval
            self._offer("metrics", self._counts.request(self._version, now))

    def _show(self, findings: Sequence[Finding]) -> None:
        for finding in findings:
            self._telemetry.add(
                "apisec_findings", detector=finding.detector, severity=finding.level.word, suppressed=finding.suppressed or "no"
            )
        shown = [finding for finding in findings if not finding.suppressed]
        if not shown:
            return
        self._counts.count_findings(shown)
        if "logs" in self._signals:
            self._offer("logs", logs_request(shown, self._rules, self._version, self._clock.now()))
        if "traces" in self._signals and (request := spans_request(shown, self._rules, self._version, self._hash)):
            self._offer("traces", request)

    def _raise(self, incidents: Sequence[Incident]) -> None:
        for each in incidents:
            self._telemetry.add("apisec_incidents", state=each.state, severity=each.level.word, suppressed=each.suppressed or "no")
        shown = [each for each in incidents if not each.suppressed]
        if shown and "logs" in self._signals:
            self._offer("logs", incidents_request(shown, self._rules, self._version, self._clock.now()))

    def _offer(self, signal: Signal, request: bytes) -> None:
        taken = [each.offer(signal, request) for each in (self.lane, self.outbox)]
        if not all(taken):
            self._telemetry.add("apisec_findings_dropped", reason="outbox full", signal=signal)

    def flush(self) -> bool:
        """Sends what waits. False when a backend asked to come later; what it was asked stays first."""
        while (first := self.outbox.first()) is not None:
            if not self._send(*first):
                return False
        return True

    def start(self) -> None:
        """Sends from now on in a thread of its own."""
        self.lane.start()
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
        self.lane.stop()

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
            self._telemetry.add("apisec_findings_dropped", reason="refused", signal=signal)
            if self.refused[signal] == 1:
                log.warning("findings: the backend does not take our %s (said once): %s", signal, reply.message)
        return True
