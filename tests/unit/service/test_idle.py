"""When nothing arrives, time passes all the same: an empty turn closes windows, and changes no later answer."""

from __future__ import annotations

from typing import Any

from tests.otlp import SECOND, START, call, request

from apisec_otel import _native, semconv
from apisec_otel.assembly import native_rows
from apisec_otel.cli.options import packaged
from apisec_otel.clock import ManualClock
from apisec_otel.component import Host
from apisec_otel.config import read
from apisec_otel.pipeline import Pipeline
from apisec_otel.spans.batch import SpanBatch
from apisec_otel.telemetry import Telemetry

STEPS = ("requests", "endpoints", "sessions", "detect")


class Live:
    """The processors as the service runs them, on a clock that stands where it is put."""

    def __init__(self) -> None:
        self.words = _native.Vocabulary(semconv.vocabulary_json(), bytes(16))
        self.clock = ManualClock(START)
        config = read([str(packaged("replay"))])
        host = Host(clock=self.clock, vocabulary=self.words, view=native_rows(), received=self.clock.now)
        built = {each.id.type: each.settings.build(host) for each in config.used() if each.id.type in STEPS}
        self.pipeline = Pipeline(id="traces", processors=[(id, built[id]) for id in STEPS], clock=self.clock, telemetry=Telemetry())
        self.detect = built["detect"]

    def turn(self, at: float, *requests: bytes) -> list[Any]:
        """One turn of the engine; what was raised."""
        self.clock.at = START + round(at * SECOND)
        batch = SpanBatch(_native.decode(list(requests), self.words))
        self.pipeline._analyse(batch)
        assert not self.pipeline.degraded()
        return batch.raised

    def entries(self) -> int:
        """Keys that the plan remembers."""
        return sum(table["entries"] for table in self.detect._engine.tables())


def crowd() -> list[bytes]:
    return [request(*(call(1 + i, f"/orders/{i}", at=i, user=f"user{i % 30}") for i in range(150)))]


def test_a_window_closes_five_seconds_after_its_end_without_a_row() -> None:
    live = Live()
    live.turn(150, *crowd())
    before = live.entries()
    live.turn(604.9)
    assert live.entries() == before
    live.turn(605)
    assert live.entries() == before + 1, "the endpoint has a baseline now"


def test_empty_turns_change_no_later_answer() -> None:
    watched, asleep = Live(), Live()
    walk = [request(call(1000 + i, f"/orders/{1000 + i}", at=7200 + i, user="mallory")) for i in range(30)]
    for live in (watched, asleep):
        live.turn(150, *crowd())
    for second in range(151, 7200, 50):
        watched.turn(second)
    raised = [[live.turn(7200 + i, each) for i, each in enumerate(walk)] for live in (watched, asleep)]
    assert raised[0] == raised[1]
    assert sum(map(len, raised[0])) == 10
    assert watched.entries() == asleep.entries()


def test_a_clock_that_goes_back_stops_nobody() -> None:
    live = Live()
    live.turn(0, request(call(1, at=0)))
    live.turn(3)
    live.turn(-30)
    walk = request(*(call(10 + i, f"/orders/{i}", at=-20 + i / 10, user="mallory") for i in range(30)))
    assert len(live.turn(-10, walk)) == 10
