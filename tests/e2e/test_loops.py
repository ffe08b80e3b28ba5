"""A backend that is pointed back at our receiver: the loop dies, and no span that it was not sent is kept from it."""

import json
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers import free_port, until
from parts import spans
from parts.answers import INVALID, UNAVAILABLE, Answer, Signal
from parts.raw import GrpcClient, Reply
from parts.sinks import GrpcSink

from apisec_otel.clock import ManualClock
from apisec_otel.config import read
from apisec_otel.loops import BACK
from apisec_otel.native_transport import NativeTransport
from apisec_otel.service import Service

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
EACH = 2
"""Spans that `spans.batch` makes of each request."""
BATCHES, PER_BATCH = 12, 60
SENT = BATCHES * PER_BATCH * EACH
TENANT = "x-scope-orgid"
ROUNDS = 6
"""After so many rounds most of what came had been delivered before."""
NOW = time.time_ns()


class Mirror(GrpcSink):
    """Acknowledges, then sends it all to where it came from, as a Collector does: what waits leaves together, and is tried again."""

    def __init__(self, receiver: str) -> None:
        super().__init__()
        self._receiver = receiver
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._send)
        self.taken = self.returned = 0
        self.times: Counter[str] = Counter()
        """How often each span was accepted."""
        self._open = True

    def start(self) -> None:
        super().start()
        self._thread.start()

    def stop(self) -> None:
        self.keep()
        self._waiting.put(None)
        self._thread.join()
        super().stop()

    def keep(self) -> None:
        """Sends nothing back any more."""
        self._open = False

    def is_quiet(self) -> bool:
        """Whether nothing is under way in it."""
        return self.taken == self.returned

    def _take(self, signal: Signal, body: bytes, headers: dict[str, str], wire: int) -> Answer:
        answer = super()._take(signal, body, headers, wire)
        if answer.accepts:
            with self._lock:
                self.times.update(spans.key(span) for span in spans.spans_of(spans.parse([body])))
                self.taken += self._open
            if self._open:
                self._waiting.put(body)
        return answer

    def _send(self) -> None:
        with GrpcClient(self._receiver) as client:
            while self._open:
                together = [self._waiting.get()]
                together += [self._waiting.get() for _ in range(self._waiting.qsize())]
                while self._open and not client.export(b"".join(filter(None, together))).accepted:
                    pass
                self.returned += len(together)


class Loop:
    """Senders, the service, and the mirror behind it; time stands still until the test moves it."""

    def __init__(self, folder: Path, memory: str) -> None:
        self.receiver = f"127.0.0.1:{free_port()}"
        self.mirror = Mirror(self.receiver)
        self.clock = ManualClock(at=NOW)
        self._file = folder / "c.yaml"
        self._memory = memory
        self.service = Service(load=lambda: read([self._file]), make_transport=NativeTransport, clock=self.clock)

    def start(self) -> None:
        self.mirror.start()
        backend = {"endpoint": self.mirror.endpoint, "tls": {"insecure": True}, "loop_memory": self._memory}
        pipeline = {"receivers": ["otlp"], "processors": ["requests"], "exporters": ["otlp_grpc"]}
        config = {
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": self.receiver}}, "metadata_keys": [TENANT]}},
            "processors": {"requests": {}},
            "exporters": {"otlp_grpc": backend},
            "service": {"telemetry": {"metrics": {"level": "none"}}, "pipelines": {"traces": pipeline}},
        }
        self._file.write_text(json.dumps(config))
        self.service.start()

    def stop(self) -> None:
        self.mirror.stop()
        self.service.stop()

    def send(self, first: int, tenant: str = "") -> Reply:
        """Sends requests numbered from `first` on, once."""
        return self.export(spans.batch(first, PER_BATCH, NOW).SerializeToString(), tenant)

    def export(self, body: bytes, tenant: str = "") -> Reply:
        """Sends a body, once."""
        with GrpcClient(self.receiver) as client:
            return client.export(body, metadata=((TENANT, tenant),) if tenant else ())

    def withheld(self) -> int:
        """Spans that were answered and not sent."""
        now = self.service._now
        assert now
        return int(sum(count for name, _, count in now.transport.counted() if name == "otelcol_exporter_withheld_spans"))

    def is_found(self) -> bool:
        """Whether the health report names the loop."""
        return self.service.health().degraded == {"otlp_grpc": BACK}

    def spin(self) -> None:
        """Sends, and waits until most of what came had come before."""
        for first in range(0, BATCHES * PER_BATCH, PER_BATCH):
            assert self.send(first).accepted
        until(lambda: sum(self.mirror.times.values()) > ROUNDS * SENT, "the spans go round and round", 60)

    def begin(self) -> None:
        """Spins until the loop is found."""
        self.spin()
        assert not self.is_found()
        self.clock.advance(61)
        until(self.is_found, "the loop is found")

    def die(self) -> None:
        """Waits until nothing goes round any more."""
        until(lambda: self.mirror.is_quiet() and self.withheld() > 0, "the loop is dead", 60)


def keys(first: int, count: int = PER_BATCH) -> set[str]:
    """Keys of the spans of requests numbered from `first` on."""
    return {spans.key(span) for span in spans.spans_of([spans.batch(first, count, NOW)])}


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Loop]]:
    made: list[Loop] = []

    def loop(memory: str = "8MiB") -> Loop:
        made.append(Loop(tmp_path, memory))
        made[-1].start()
        return made[-1]

    yield loop
    for each in made:
        each.stop()


def test_a_loop_dies_after_its_minute_and_fresh_spans_arrive(make: Callable[..., Loop]) -> None:
    loop = make()
    loop.begin()
    fresh = [10_000 + number * PER_BATCH for number in range(BATCHES)]
    assert all(loop.send(first).accepted for first in fresh)
    loop.die()
    arrived = loop.mirror.times
    missing = [first for first in fresh if not keys(first) <= set(arrived)]
    assert missing == []
    assert loop.withheld() == 2 * SENT, "what went round is withheld once, and so is what was sent since"


def test_it_goes_on_while_what_is_sent_comes_back_and_is_over_when_nothing_does(make: Callable[..., Loop]) -> None:
    loop = make()
    loop.begin()
    loop.die()
    loop.clock.advance(61)
    assert loop.send(20_000).accepted
    loop.die()
    assert loop.is_found(), "the minute before was a loop's"
    loop.clock.advance(61)
    assert loop.send(30_000).accepted
    loop.die()
    assert loop.is_found(), "few spans are enough to go on"
    loop.mirror.keep()
    loop.clock.advance(61)
    assert loop.send(40_000).accepted
    loop.clock.advance(61)
    until(lambda: not loop.is_found(), "the loop is over")
    assert loop.send(40_000).accepted
    assert {loop.mirror.times[key] for key in keys(40_000)} == {2}, "repeats are sent on again"


def test_a_retry_of_what_was_not_acknowledged_is_forwarded_during_a_loop(make: Callable[..., Loop]) -> None:
    loop = make()
    loop.begin()
    loop.die()
    loop.mirror.keep()
    loop.mirror.answer(UNAVAILABLE, times=2)
    assert [loop.send(50_000).code for _ in range(2)] == ["UNAVAILABLE"] * 2
    assert loop.send(50_000).accepted
    assert set(loop.mirror.times) >= keys(50_000)
    loop.mirror.answer(INVALID, times=1)
    assert loop.send(51_000).code == "INVALID_ARGUMENT"
    assert loop.send(51_000).accepted
    assert set(loop.mirror.times) >= keys(51_000)
    loop.mirror.answer(Answer(rejected=1, message="one was bad"), times=1)
    assert loop.send(52_000).accepted
    assert loop.send(52_000).accepted
    assert {loop.mirror.times[key] for key in keys(52_000)} == {2}, "nobody knows which one was bad"


def test_of_a_request_only_what_the_backend_has_is_withheld(make: Callable[..., Loop]) -> None:
    loop = make()
    loop.begin()
    loop.die()
    loop.mirror.keep()
    assert loop.send(60_000).accepted
    before = loop.withheld()
    mixed = spans.batch(60_000, 10, NOW).SerializeToString() + spans.batch(61_000, 10, NOW).SerializeToString()
    loop.mirror.answer(UNAVAILABLE, times=1)
    assert loop.export(mixed).code == "UNAVAILABLE", "what is left waits for the backend's word"
    assert loop.export(mixed).accepted
    assert {spans.key(span) for span in spans.spans_of(spans.parse(loop.mirror.bodies()[-1:]))} == keys(61_000, 10)
    assert loop.withheld() - before == 2 * 10 * EACH


def test_what_one_tenant_has_another_may_lack(make: Callable[..., Loop]) -> None:
    loop = make()
    loop.begin()
    loop.die()
    loop.mirror.keep()
    for tenant in ("", "a", "b", "b", "a", ""):
        assert loop.send(80_000, tenant).accepted
    assert {loop.mirror.times[key] for key in keys(80_000)} == {3}


def test_without_memory_nothing_is_ever_withheld(make: Callable[..., Loop]) -> None:
    loop = make("0")
    loop.spin()
    loop.clock.advance(61)
    assert loop.send(70_000).accepted
    until(lambda: loop.mirror.times[min(keys(70_000))] > 1, "spans come again")
    assert not loop.is_found()
    assert loop.withheld() == 0
