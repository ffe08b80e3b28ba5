"""The engine: every sender is answered, whatever its components do."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.unit.service.fakes import FakeDelivery, FakeExporter, FakeSink

from apisec_otel.clock import ManualClock
from apisec_otel.component import Host
from apisec_otel.errors import RefusedError
from apisec_otel.pipeline import Gap, Pipeline
from apisec_otel.processors.memory_limiter import MemoryLimiter
from apisec_otel.reply import Reply
from apisec_otel.spans.batch import SpanBatch
from apisec_otel.telemetry import Telemetry


@dataclass
class Seen:
    """A processor and connector that remembers, or fails."""

    error: Exception | None = None
    batches: list[SpanBatch] = field(default_factory=list)

    def process(self, batch: SpanBatch) -> None:
        self.batches.append(batch)
        if self.error:
            raise self.error

    consume = process


def pipeline(*processors: Any, **parts: Any) -> Pipeline:
    named = [(f"step{index}", each) for index, each in enumerate(processors)]
    return Pipeline(**{"id": "traces", "processors": named, "clock": ManualClock(at=10**18), "telemetry": Telemetry(), **parts})


def test_a_batch_goes_through_all_in_order_and_its_sender_is_answered_once() -> None:
    first, second, end, sink, copy = Seen(), Seen(), Seen(), FakeSink(), FakeExporter()
    engine = pipeline(first, second, sink=sink, connectors=[("findings", end)], exporters=[("file", copy)])
    delivery = FakeDelivery(spans=3)
    engine.run([delivery])
    assert first.batches == second.batches == end.batches == [delivery.batch]
    assert sink.delivered == [delivery]
    assert copy.sent == [("traces", b"spans")]
    assert delivery.answer == "accepted"
    assert engine.telemetry.value("otelcol_processor_incoming_items", processor="step0", **{"otel.signal": "traces"}) == 3
    assert engine.degraded() == {}


def test_a_failing_processor_does_not_keep_spans_back() -> None:
    gaps: list[Gap] = []
    later, sink = Seen(), FakeSink()
    engine = pipeline(Seen(ValueError("boom")), later, sink=sink, on_gap=gaps.append)
    for _ in range(3):
        engine.take(FakeDelivery())
    assert [each.answer for each in sink.delivered] == ["accepted"] * 3
    assert later.batches == []
    assert engine.degraded() == {"step0": "ValueError: boom"}
    assert [(gap.component, gap.reason) for gap in gaps] == [("step0", "ValueError: boom")], "told once a minute"
    assert engine.telemetry.value("apisec_unanalysed_spans", reason="fault", component="step0") == 3
    engine.clock.advance(61)  # type: ignore[attr-defined]
    assert engine.degraded() == {}
    engine.take(FakeDelivery())
    assert len(gaps) == 2


def test_spans_that_pass_the_engine_by_are_told_and_degrade_health() -> None:
    gaps: list[Gap] = []
    passed = [0.0]
    engine = pipeline(Seen(), sink=FakeSink(), on_gap=gaps.append, passed_by=lambda: passed[0])
    engine.take(FakeDelivery())
    assert (gaps, engine.degraded()) == ([], {})
    for passed[0] in (5.0, 9.0):
        engine.clock.advance(2)  # type: ignore[attr-defined]
        engine.take(FakeDelivery(spans=0))
    assert [gap.component for gap in gaps] == ["engine"], "told once a minute"
    assert engine.degraded() == {"engine": "requests waited over 200 ms for it"}
    engine.clock.advance(61)  # type: ignore[attr-defined]
    engine.take(FakeDelivery(spans=0))
    assert (len(gaps), engine.degraded()) == (1, {})


def test_a_failing_connector_keeps_nothing_back_either() -> None:
    sink = FakeSink()
    engine = pipeline(sink=sink, connectors=[("findings", Seen(OSError("full")))])
    engine.take(FakeDelivery())
    assert sink.delivered[0].answer == "accepted"
    assert "findings" in engine.degraded()


def test_an_exporter_that_takes_no_part_in_the_reply_may_refuse() -> None:
    delivery = FakeDelivery()
    engine = pipeline(exporters=[("file", FakeExporter(Reply(False, message="disk full")))])
    engine.take(delivery)
    assert delivery.answer == "accepted"
    assert engine.degraded() == {"file": "ComponentError: refused: disk full"}


def test_a_refusal_is_the_answer_and_nothing_is_forwarded() -> None:
    sink, delivery = FakeSink(), FakeDelivery()
    pipeline(Seen(RefusedError("later")), sink=sink).take(delivery)
    assert delivery.answer == "refused: later"
    assert sink.delivered == []


def test_an_idle_turn_lets_time_pass_and_sends_nothing() -> None:
    step, sink, delivery = Seen(), FakeSink(), FakeDelivery(spans=0)
    pipeline(step, sink=sink).take(delivery)
    assert len(step.batches) == 1
    assert sink.delivered == []


class TestMemoryLimiter:
    """Bytes in flight decide, and nothing else."""

    def limiter(self, in_flight: list[int], **settings: Any) -> tuple[Any, ManualClock]:
        clock = ManualClock(at=10**9)
        host = Host(id="memory_limiter", clock=clock, in_flight=lambda: in_flight[0], table_bytes=192 << 20)
        return MemoryLimiter(**{"limit_mib": 512, **settings}).build(host), clock

    def test_refuses_above_what_tables_and_spike_leave_and_takes_again_below(self) -> None:
        waiting = [217 << 20]  # 512 MiB less a fifth less 192 MiB is 217.6 MiB
        limiter, clock = self.limiter(waiting)
        limiter.process(FakeDelivery().batch)
        waiting[0] = 218 << 20
        limiter.process(FakeDelivery().batch)
        clock.advance(1)
        with pytest.raises(RefusedError, match="data refused due to high memory usage") as caught:
            limiter.process(FakeDelivery().batch)
        assert caught.value.retryable
        limiter.process(FakeDelivery(spans=0).batch)
        waiting[0] = 0
        clock.advance(1)
        limiter.process(FakeDelivery().batch)

    def test_percentages_are_of_the_machine(self) -> None:
        half = MemoryLimiter(limit_percentage=50, spike_limit_percentage=10)
        assert half.limit_bytes() == pytest.approx(5 * half.spike_limit_bytes(), abs=10)


def test_an_empty_request_is_answered_with_success_and_not_sent_on() -> None:
    """OTLP: zero spans is a success; a sender that hears nothing would try for ever."""
    sink, delivery = FakeSink(), FakeDelivery(spans=0)
    pipeline(sink=sink).take(delivery)
    assert delivery.answer == "accepted"
    assert sink.delivered == []
