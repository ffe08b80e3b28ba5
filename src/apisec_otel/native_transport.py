"""The transport for real: sockets, TLS and framing live on one native thread, no payload becomes a Python object."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final

from apisec_otel.component import Signal, for_native
from apisec_otel.config import Component, Config
from apisec_otel.errors import ComponentError, RefusedError
from apisec_otel.loops import Loops
from apisec_otel.reply import ACCEPTED, Reply
from apisec_otel.spans.batch import SpanBatch
from apisec_otel.telemetry import ITEMS
from apisec_otel.transport import Counted

IDLE: Final = 0.5
"""Seconds without a request after which the engine takes an empty turn, so that time passes for it."""
HURRIED: Final = 0.001
"""The same while the engine has something to do between requests."""
POLL: Final = 0.02
"""Seconds between looks for the answer to what was made here."""
RETRYABLE: Final = frozenset({1, 4, 10, 11, 14, 15})
"""gRPC codes after which the same bytes may be accepted later; RESOURCE_EXHAUSTED (8) only when a delay is named."""


class NativeTransport:
    """Receivers and exporters of one configuration, on one I/O thread."""

    def __init__(self, config: Config, vocabulary: Any) -> None:
        try:
            self._native = import_module("apisec_otel._native")
        except ImportError as error:
            raise ComponentError(f"the native module is not built: {error}; run `make build`") from error
        self._config, self._vocabulary = config, vocabulary
        self._io = self._native.Io(json.dumps(_limits(config)), vocabulary)
        self._outcomes = Outcomes(self._io)
        self._exporters = {
            str(each.id): self._exporter(each) for each in config.used() if each.family == "exporters" and each.declared.replies
        }
        self._servers: list[Any] = []
        self._drained = threading.Event()
        self._routes = [(each, *self._route(each)) for each in config.used() if each.family == "receivers"]

    def start(self) -> None:
        """Opens the receivers."""
        for receiver, engine, direct in self._routes:
            settings = {"name": str(receiver.id), **for_native(receiver.settings)}
            try:
                self._servers.append(self._io.server(json.dumps(settings), engine, direct))
            except (OSError, ValueError) as error:
                raise ComponentError(f"receivers::{receiver.id} cannot listen: {error}") from error

    def source(self, is_hurried: Callable[[], bool] = lambda: False) -> Iterator["NativeDelivery"]:
        """Everything that waits, together; an empty turn now and then, and a last one once drained."""
        while True:
            requests = self._io.pull(wait=HURRIED if is_hurried() else IDLE)
            batch = SpanBatch(self._native.batch(requests))
            batch.over = not requests and self._drained.is_set()
            yield NativeDelivery(requests, batch)
            if batch.over:
                return

    def sink(self, exporter: str, loops: Loops) -> "NativeSink":
        """The exporter that answers the senders."""
        loops.follow(self._exporters[exporter])
        return NativeSink(self._io, self._exporters[exporter], loops)

    def exporter(self, exporter: str) -> "NativeExporter":
        """The same exporter for findings."""
        return NativeExporter(self._io, self._exporters[exporter], self._outcomes)

    def in_flight(self) -> int:
        """Bytes received and not yet answered."""
        return int(self._io.in_flight_bytes)

    def counted(self) -> Iterable[Counted]:
        """Its counters, with the Collector's names."""
        for name, owner, transport, signal, reason, count in self._io.counters():
            yield named(name, owner, transport, signal, reason, count)

    def stop(self, seconds: float) -> None:
        """Drains all receivers at once."""
        for server in self._servers:
            server.begin_drain()
        until = time.monotonic() + seconds
        for server in self._servers:
            server.drain(max(0.0, until - time.monotonic()))
        self._servers = []
        self._drained.set()

    def close(self) -> None:
        """Ends the I/O thread."""
        self._io.close()

    def _exporter(self, each: Component) -> Any:
        try:
            return self._io.exporter(json.dumps({"name": str(each.id), **for_native(each.settings)}))
        except (OSError, ValueError) as error:
            raise ComponentError(f"exporters::{each.id}: {error}") from error

    def _route(self, receiver: Component) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the engine gets (and the exporter when it stalls), and what goes straight to an exporter."""
        engine: dict[str, Any] = {}
        direct: dict[str, Any] = {}
        for pipeline in self._config.pipelines:
            if receiver not in pipeline.receivers:
                continue
            found = [self._exporters[str(each.id)] for each in pipeline.sinks if each.declared.replies]
            if pipeline.id.type == "traces":
                engine["traces"] = found[0] if found else None
            elif found:
                direct[pipeline.id.type] = found[0]
            else:
                raise ComponentError(f"service::pipelines::{pipeline.id}: passes through, so it needs an OTLP exporter")
        return engine, direct


@dataclass(slots=True)
class NativeDelivery:
    """Requests that were pulled together."""

    requests: list[Any]
    batch: SpanBatch

    def accept(self) -> None:
        """Answers success to each sender."""
        for request in self.requests:
            request.accept()

    def refuse(self, refusal: RefusedError) -> None:
        """Answers UNAVAILABLE with a delay, or INVALID_ARGUMENT when a retry is of no use."""
        for request in self.requests:
            if refusal.retryable:
                request.refuse(str(refusal))
            else:
                request.refuse(str(refusal), 3, None)


@dataclass(frozen=True, slots=True)
class NativeSink:
    """Sends on what was received; the backend's answer is the reply."""

    io: Any
    exporter: Any
    loops: Loops

    def deliver(self, delivery: Any) -> None:
        """Does not wait."""
        counts = self.io.push_batch(self.exporter, delivery.requests, delivery.batch.native, self.loops.found)
        self.loops.count(delivery.batch.spans, *counts)


class Outcomes:
    """What became of what was made here, by token."""

    def __init__(self, io: Any) -> None:
        self._io = io
        self._lock = threading.Lock()
        self._known: dict[int, Reply] = {}

    def wait(self, token: int, seconds: float) -> Reply:
        """The backend's answer; a refusal for now when there is none in time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with self._lock:
                for found, _, _, code, message, delay, _ in self._io.drain_results():
                    self._known[found] = reply(code, message, delay)
                if token in self._known:
                    return self._known.pop(token)
            time.sleep(POLL)
        return Reply(False, retryable=True, message=f"no answer within {seconds:.0f} s")


@dataclass(frozen=True, slots=True)
class NativeExporter:
    """Sends what was made here: findings."""

    io: Any
    exporter: Any
    outcomes: Outcomes = field(repr=False)

    def export(self, signal: Signal, requests: Sequence[bytes]) -> Reply:
        """Sends requests one after the other, until one is refused."""
        for request in requests:
            token = self.io.send(self.exporter, signal, request)
            if token is None:
                return Reply(False, retryable=True, message="too much is on its way already")
            answer = self.outcomes.wait(token, 60)
            if not answer.accepted:
                return answer
        return ACCEPTED


def reply(code: int, message: str, delay: float | None) -> Reply:
    """A gRPC code as an answer."""
    if code == 0:
        return Reply(True, message=message)
    return Reply(False, retryable=code in RETRYABLE or (code == 8 and delay is not None), message=message)


def named(name: str, owner: str, transport: str, signal: str, reason: str, count: int) -> Counted:
    """A counter of the native side, with the Collector's name where it has one."""
    whose = "exporter" if name.startswith("exporter") else "receiver"
    labels = {whose: owner, **{key: value for key, value in (("transport", transport), ("reason", reason)) if value}}
    if name == "receiver_unanalysed_items":
        return "apisec_unanalysed_spans", labels, count
    stem, _, unit = name.rpartition("_")
    if unit == "items" and signal:
        return f"otelcol_{stem}_{ITEMS[signal]}", labels, count
    if name in ("receiver_accepted_requests", "receiver_refused_requests"):
        return f"otelcol_{name}", {**labels, "otel.signal": signal}, count
    return "apisec_io_events", {**labels, "event": name}, count


def _limits(config: Config) -> Mapping[str, int]:
    """What may be in flight at most: all that memory_limiter allows; it begins to refuse far below."""
    limits = [each.settings.limit_bytes() for each in config.used() if hasattr(each.settings, "limit_bytes")]
    return {"in_flight_bytes": min(limits) // 2} if limits else {}
