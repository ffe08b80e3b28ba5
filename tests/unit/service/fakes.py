"""A transport without sockets and a codec without spans, so that the service can be watched."""

import queue
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apisec_otel.errors import RefusedError
from apisec_otel.loops import Loops
from apisec_otel.reply import ACCEPTED, Reply
from apisec_otel.spans.batch import SpanBatch, Value


@dataclass
class FakeBatch:
    """Some spans; nothing in them."""

    spans: int = 1
    written: list[dict[str, Value]] = field(default_factory=list)

    def __len__(self) -> int:
        return self.spans

    def text(self, row: int, column: str) -> str | None:
        return None

    def annotate(self, row: int, attributes: dict[str, Value]) -> None:
        self.written.append(attributes)

    def encode(self) -> list[bytes]:
        return [b"spans"]

    def secrets(self) -> dict[str, int]:
        return {}


@dataclass
class FakeDelivery:
    """A delivery that remembers how it was answered."""

    spans: int = 1
    answer: str = ""

    def __post_init__(self) -> None:
        self.batch = SpanBatch(FakeBatch(self.spans))

    def accept(self) -> None:
        self.answer += "accepted"

    def refuse(self, refusal: RefusedError) -> None:
        self.answer += f"refused: {refusal}"


@dataclass
class FakeSink:
    """Accepts and remembers."""

    delivered: list[Any] = field(default_factory=list)

    def deliver(self, delivery: Any) -> None:
        self.delivered.append(delivery)
        delivery.accept()


@dataclass
class FakeExporter:
    """Answers as it was told."""

    reply: Reply = ACCEPTED
    sent: list[tuple[str, bytes]] = field(default_factory=list)

    def export(self, signal: str, requests: Sequence[bytes]) -> Reply:
        self.sent += [(signal, request) for request in requests]
        return self.reply


@dataclass
class FakeTransport:
    """Deliveries come from a queue."""

    config: Any = None
    vocabulary: Any = None
    fails: bool = False
    events: list[str] = field(default_factory=list)
    out: FakeSink = field(default_factory=FakeSink)
    exported: FakeExporter = field(default_factory=FakeExporter)

    def __post_init__(self) -> None:
        self.waiting: queue.SimpleQueue[FakeDelivery | None] = queue.SimpleQueue()

    def start(self) -> None:
        self.events.append("start")

    def source(self, is_hurried: Callable[[], bool] = lambda: False) -> Iterator[FakeDelivery]:
        while (delivery := self.waiting.get()) is not None:
            yield delivery

    def sink(self, exporter: str, loops: Loops) -> FakeSink:
        return self.out

    def exporter(self, exporter: str) -> FakeExporter:
        return self.exported

    def in_flight(self) -> int:
        return 0

    def counted(self) -> Iterable[tuple[str, Mapping[str, str], float]]:
        return [("otelcol_receiver_accepted_spans", {"receiver": "otlp"}, 7.0)]

    def stop(self, seconds: float) -> None:
        self.events.append("stop")
        self.waiting.put(None)

    def close(self) -> None:
        self.events.append("close")
