"""The rule for loops: by the minute, of a clock that the test moves."""

import logging

import pytest
from tests.unit.service.fakes import FakeDelivery, FakeSink
from tests.unit.service.test_pipeline import pipeline

from apisec_otel.clock import ManualClock
from apisec_otel.loops import BACK, Loops
from apisec_otel.telemetry import Telemetry


class Memory:
    """Counts its turns."""

    delivered_bytes = 4096
    turns = 0

    def turn(self) -> None:
        self.turns += 1


def loops() -> Loops:
    return Loops(exporter="otlp_http", clock=ManualClock(at=10**18), telemetry=Telemetry())


def minute(watched: Loops, spans: int = 16_000, looked: int = 1_000, known: int = 0, withheld: int = 0) -> bool:
    """A minute in which this was delivered; answers whether a loop is found after it."""
    watched.count(spans, looked, known, withheld)
    watched.clock.advance(60)  # type: ignore[attr-defined]
    watched.look()
    return watched.found


def found() -> Loops:
    watched = loops()
    assert minute(watched, known=900)
    return watched


@pytest.mark.parametrize(
    ("spans", "looked", "known", "begins"),
    [
        (16_000, 1_000, 0, False),
        (16_000, 1_000, 400, False),
        (16_000, 1_000, 500, False),
        (16_000, 1_000, 550, False),
        (16_000, 1_000, 570, True),
        (16_000, 1_000, 1_000, True),
        (999, 62, 62, False),
        (1_000, 62, 62, True),
        (1_000, 62, 40, False),
        (0, 0, 0, False),
    ],
)
def test_a_loop_begins_when_most_of_a_minute_was_delivered_before(spans: int, looked: int, known: int, begins: bool) -> None:
    assert minute(loops(), spans, looked, known) is begins


def test_a_minute_is_judged_when_it_is_over_and_forgotten_then() -> None:
    watched = loops()
    watched.count(16_000, 1_000, 1_000, 0)
    watched.clock.advance(59)  # type: ignore[attr-defined]
    watched.look()
    assert not watched.found
    watched.count(160_000, 10_000, 0, 0)
    assert not minute(watched, known=0), "as a whole it was not"
    assert minute(watched, known=1_000)


@pytest.mark.parametrize(
    ("looked", "known", "goes_on"),
    [(2_000, 1_000, True), (1_600, 600, True), (1_500, 500, False), (1_000, 0, False), (4, 2, True), (10, 10, True), (0, 0, False)],
)
def test_it_goes_on_while_most_of_what_is_sent_comes_back(looked: int, known: int, goes_on: bool) -> None:
    assert minute(found(), looked, looked, known, known) is goes_on


def test_begin_and_end_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("apisec_otel").propagate = True
    caplog.set_level("INFO", "apisec_otel.loops")
    watched = found()
    for _ in range(3):
        minute(watched, 2_000, 2_000, 1_000, 1_000)
    assert watched.degraded() == {"otlp_http": BACK}
    minute(watched, 0, 0)
    minute(watched, 0, 0)
    assert watched.degraded() == {}
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("WARNING", f"otlp_http: {BACK} They are answered and not sent again"),
        ("INFO", "otlp_http: delivered spans no longer come back; 3000 were not sent again"),
    ]


def test_memory_turns_by_the_minute_and_tells_its_size() -> None:
    watched, memory = loops(), Memory()
    watched.follow(memory)
    for _ in range(3):
        minute(watched)
    assert memory.turns == 3
    assert watched.telemetry.value("apisec_delivered_bytes", exporter="otlp_http") == 4096


def test_the_engine_lets_minutes_end_and_tells_health() -> None:
    watched = found()
    engine = pipeline(sink=FakeSink(), loops=watched, clock=watched.clock)
    assert engine.degraded() == {"otlp_http": BACK}
    watched.clock.advance(60)  # type: ignore[attr-defined]
    engine.take(FakeDelivery(spans=0))
    assert engine.degraded() == {}, "an idle turn is enough"
