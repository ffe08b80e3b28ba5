"""What leaves: log records, finding spans, metrics; and how it is sent."""

import math
from types import SimpleNamespace

from fakes import NAMES, VIEW, Row, Signal, batch_of, keyed_hash
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from apisec_otel.clock import ManualClock
from apisec_otel.component import Host
from apisec_otel.connectors.findings import Fan, Findings, FindingsSettings
from apisec_otel.findings.finding import Rule
from apisec_otel.findings.gap import gap_finding
from apisec_otel.findings.wire import logs_request, spans_request
from apisec_otel.processors.decide import Decide, DecideSettings
from apisec_otel.reply import ACCEPTED, Reply
from apisec_otel.spans.batch import SpanBatch
from apisec_otel.telemetry import Telemetry

RULES = {"bola_enumeration": Rule("bola_enumeration", "Reads far more objects", technique="T1119")}


def found(row: Row | None = None, signal: Signal | None = None):
    batch = batch_of([row or Row()])
    return Decide(DecideSettings(), VIEW, keyed_hash, NAMES).decide(batch, [signal or Signal(evidence={"objects": (41.0, math.nan)})])


def plain(attributes):
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


def test_a_log_record_says_it_all():
    (resource,) = ExportLogsServiceRequest.FromString(logs_request(found(), RULES, "1.2", 5)).resource_logs
    (scope,) = resource.scope_logs
    (record,) = scope.log_records
    assert plain(resource.resource.attributes) == {"service.name": "apisec-otel", "service.version": "1.2"}
    assert (scope.scope.name, scope.scope.version) == ("apisec-otel", "1.2")
    assert (record.event_name, record.severity_number, record.severity_text) == ("apisec.finding", 17, "high")
    assert (record.trace_id, record.span_id) == (Row().trace, Row().span)
    assert (record.time_unix_nano, record.observed_time_unix_nano) == (Row().start, 5)
    assert record.body.string_value == "41 objects of shop GET /orders/{id}"
    stated = plain(record.attributes)
    expected = {
        "security_rule.name": "bola_enumeration",
        "security_rule.category": "API1:2023",
        "security_rule.description": "Reads far more objects",
        "apisec.attack.technique": "T1119",
        "apisec.evidence.objects.observed": 41,
        "apisec.entity.type": "principal",
        "apisec.entity.id": f"{99:016x}",
        "http.response.status_code": 200,
        "client.address": "203.0.113.7",
    }
    assert expected.items() <= stated.items()
    assert "apisec.evidence.objects.expected" not in stated  # not yet known
    assert all(len(value.encode()) < 256 for value in stated.values() if isinstance(value, str))


def test_a_finding_span_lies_in_the_flagged_span():
    (resource,) = ExportTraceServiceRequest.FromString(spans_request(found(), {}, "1", keyed_hash)).resource_spans
    (span,) = resource.scope_spans[0].spans
    assert (span.trace_id, span.parent_span_id) == (Row().trace, Row().span)
    assert len(span.span_id) == 8
    assert span.span_id != Row().span
    assert Row().start <= span.start_time_unix_nano <= span.end_time_unix_nano <= Row().start + Row().took
    assert span.status.code == 2
    assert spans_request(found(), {}, "1", keyed_hash) == spans_request(found(), {}, "1", keyed_hash)


def test_a_span_that_ends_before_it_starts_and_ids_that_are_none():
    (resource,) = ExportTraceServiceRequest.FromString(spans_request(found(Row(took=-5)), {}, "1", keyed_hash)).resource_spans
    (span,) = resource.scope_spans[0].spans
    assert span.end_time_unix_nano == span.start_time_unix_nano
    assert spans_request(found(Row(trace=bytes(16))), {}, "1", keyed_hash) == b""
    assert spans_request([gap_finding(keyed_hash, "detect", "boom", 5)], {}, "1", keyed_hash) == b""


class Backend:
    """Answers as it is told, and keeps what it got."""

    def __init__(self, *replies: Reply) -> None:
        self.replies, self.got = list(replies), []

    def export(self, signal, requests):
        self.got += [(signal, request) for request in requests]
        return self.replies.pop(0) if self.replies else ACCEPTED


def connector(*backends, clock=None, **settings) -> Findings:
    chosen = FindingsSettings(**settings)
    takes = {"logs": chosen.logs, "traces": chosen.spans, "metrics": chosen.metrics}
    signals = frozenset(signal for signal, taken in takes.items() if taken)
    fan = Fan(dict.fromkeys(signals, backends))
    return Findings(chosen, fan, signals, VIEW, keyed_hash, clock or ManualClock(), Telemetry(), RULES, NAMES)


def judged(signals=(), rows=None) -> SpanBatch:
    batch = SpanBatch(batch_of(rows or [Row()]))
    batch.findings += Decide(DecideSettings(), VIEW, keyed_hash, NAMES).decide(batch.native, list(signals))
    return batch


def test_findings_leave_as_log_and_span_and_repeats_do_not():
    backend = Backend()
    findings = connector(backend)
    findings.consume(judged([Signal(), Signal()]))
    assert findings.flush()
    assert sorted(signal for signal, _ in backend.got) == ["logs", "traces"]
    (record,) = ExportLogsServiceRequest.FromString(dict(backend.got)["logs"]).resource_logs[0].scope_logs[0].log_records
    assert record.event_name == "apisec.finding"


def test_metrics_leave_when_they_are_due():
    backend, clock = Backend(), ManualClock(10**18)
    findings = connector(backend, clock=clock)
    findings.consume(judged([Signal()], [Row(), Row(), Row(route="/me"), Row(repeat=1), Row(request=-1)]))
    findings.flush()
    assert "metrics" not in dict(backend.got)
    clock.advance(60)
    findings.consume(judged())
    findings.flush()
    metrics = ExportMetricsServiceRequest.FromString(dict(backend.got)["metrics"]).resource_metrics[0].scope_metrics[0].metrics
    counted = {metric.name: {tuple(plain(p.attributes).values()): p.as_int for p in metric.sum.data_points} for metric in metrics}
    assert counted["apisec.requests"] == {("shop GET /orders/{id}",): 3, ("shop GET /me",): 1}
    assert counted["apisec.findings"] == {("bola_enumeration", "high", "shop GET /orders/{id}"): 1}


def test_a_backend_that_says_later_is_asked_again_and_loses_nothing():
    backend = Backend(Reply(False, retryable=True, message="busy"))
    findings = connector(backend, spans=False)
    findings.consume(judged([Signal()]))
    assert not findings.flush()
    assert findings.flush()
    assert backend.got[0] == backend.got[1]
    assert len(findings.outbox) == findings.outbox.size == 0


def test_what_a_backend_does_not_take_is_said_once(caplog):
    backend = Backend(*[Reply(False, message="unknown service")] * 4)
    findings = connector(backend)
    findings.consume(judged([Signal()]))
    findings.consume(judged([Signal()]))
    assert findings.flush()
    assert findings.refused == {"logs": 2, "traces": 2}
    assert len(caplog.records) == 2


def test_one_exporter_that_has_it_is_not_sent_it_again():
    findings = connector(Backend(), Backend(Reply(False, retryable=True)), spans=False)
    findings.consume(judged([Signal()]))
    assert findings.flush()
    assert findings.refused == {"logs": 1}


class Pager(Backend):
    """Keeps a queue of its own."""

    queues, failure = True, ""


def test_a_pager_hears_while_the_backend_is_down_and_loses_it_nothing():
    backend, pager = Backend(*[Reply(False, retryable=True)] * 2), Pager()
    host = Host(vocabulary=SimpleNamespace(hash=keyed_hash), view=VIEW, outputs={"logs": [backend, pager], "traces": [backend]})
    findings = FindingsSettings().build(host)
    findings.consume(judged([Signal()]))
    findings.lane.flush()
    assert [signal for signal, _ in pager.got] == ["logs"]
    assert not findings.flush()
    assert not findings.flush()
    assert findings.flush()
    assert sorted(signal for signal, _ in backend.got) == ["logs", "logs", "logs", "traces"]
    assert len(pager.got) == 1


def test_a_pager_hears_though_what_waits_for_the_backend_fills_its_outbox():
    pager = Pager()
    host = Host(vocabulary=SimpleNamespace(hash=keyed_hash), view=VIEW, outputs={"logs": [Backend(), pager]})
    findings = FindingsSettings().build(host)
    findings.outbox._limit = 10
    findings.consume(judged([Signal()]))
    findings.stop()
    assert len(pager.got) == 1


def test_a_full_outbox_drops_and_counts():
    findings = connector(Backend(), outbox_mib=1)
    findings.outbox._limit = 10
    findings.consume(judged([Signal()]))
    assert findings.outbox.dropped == {"logs": 1, "traces": 1}


def test_a_thread_sends_and_ends():
    backend = Backend()
    findings = connector(backend)
    findings.start()
    findings.consume(judged([Signal()]))
    findings.gap(type("Gap", (), {"component": "detect", "reason": "boom", "at": 7})())
    findings.stop()
    assert [signal for signal, _ in backend.got].count("logs") == 2
    assert "metrics" in dict(backend.got)
