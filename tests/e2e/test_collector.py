"""Real Collectors on both sides: application -> Collector -> apisec-otel -> Collector -> file."""

import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from helpers import free_port, until
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from parts import spans
from parts.answers import Signal
from parts.raw import GrpcClient, HttpClient
from parts.running import ROOT, Apisec, Collector, MakeApisec, MakeCollector, to_grpc
from parts.sinks import GrpcSink

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
BATCHES = 40
PER_BATCH = 25


def sent_batches() -> list[ExportTraceServiceRequest]:
    now = time.time_ns()
    return [spans.batch(number * PER_BATCH, PER_BATCH, now) for number in range(BATCHES)]


def send(collector: Collector, batches: list[ExportTraceServiceRequest]) -> None:
    """Half over gRPC, half over HTTP."""
    with GrpcClient(f"127.0.0.1:{collector.grpc}", compressed=True) as grpc:
        over_http = HttpClient(f"http://127.0.0.1:{collector.http}")
        for number, batch in enumerate(batches):
            client = grpc if number % 2 else over_http
            reply = client.export(batch.SerializeToString())
            assert reply.accepted, reply


def arrived(collector: Collector, count: int) -> list[Any]:
    """All spans at the far end, once there are at least `count`."""
    until(lambda: len(collector.spans()) >= count, f"{count} spans in {collector.file}")
    return collector.spans()


def test_the_config_that_users_copy_is_valid(otelcol: Path) -> None:
    done = subprocess.run([otelcol, "validate", "--config", ROOT / "collector-config.yaml"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_spans_pass_through_two_collectors_unchanged(make_collector: MakeCollector) -> None:
    """Nothing of ours is in the way: what the other tests may expect of the Collector itself."""
    back = make_collector("back")
    front = make_collector("front", apisec=f"127.0.0.1:{back.checked_grpc}")
    sent = sent_batches()
    send(front, sent)
    expected = Counter(spans.plain(span) for span in spans.spans_of(sent))
    assert Counter(map(spans.plain, arrived(back, expected.total()))) == expected


@pytest.fixture
def loop(make_collector: MakeCollector, make_apisec: MakeApisec) -> tuple[Collector, Apisec]:
    """One Collector on both sides of apisec-otel, as in collector-config.yaml."""
    apisec_port = free_port()
    collector = make_collector(apisec=f"127.0.0.1:{apisec_port}")
    receiver = {"receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{apisec_port}"}}}}}
    return collector, make_apisec(*to_grpc(collector.checked_grpc), merge=receiver)


def test_every_span_arrives_once_and_as_it_was(loop: tuple[Collector, Apisec]) -> None:
    collector, _ = loop
    sent = sent_batches()
    send(collector, sent)
    expected = Counter(spans.plain(span) for span in spans.spans_of(sent))
    assert Counter(map(spans.plain, arrived(collector, expected.total()))) == expected


def test_a_finding_is_on_its_span_in_a_log_event_and_in_a_finding_span(loop: tuple[Collector, Apisec]) -> None:
    collector, apisec = loop
    sent = sent_batches()[:4]
    attack = spans.attack(10_000, 60, time.time_ns())
    send(collector, [*sent, attack])

    def logged() -> list[dict[str, object]]:
        return [found for found in map(spans.values, collector.logs()) if found.get("apisec.finding") == "bola_enumeration"]

    found = until(logged, "a log event of bola_enumeration")[0]
    record = next(each for each in collector.logs() if each.event_name == "apisec.finding")
    assert found["client.address"] == "192.0.2.66"
    until(lambda: [each for each in collector.spans() if each.name == "apisec.finding bola_enumeration"], "a finding span")
    expected = {spans.key(each) for each in spans.spans_of([*sent, attack])}
    # The Collector's queue sends several requests at a time, in any order.
    until(lambda: expected <= {spans.key(each) for each in collector.spans()}, "all spans that were sent")
    everything = {spans.key(each): each for each in collector.spans()}
    flagged = everything[f"{record.trace_id.hex()}:{record.span_id.hex()}"]
    stated = spans.values(flagged)
    assert stated["apisec.finding"] == "bola_enumeration"
    assert stated["user.id"] == "mallory"
    assert stated["apisec.sampling.keep"] is True
    finding_span = next(each for each in everything.values() if each.name == "apisec.finding bola_enumeration")
    assert (finding_span.trace_id, finding_span.parent_span_id) == (flagged.trace_id, flagged.span_id)
    for span in spans.spans_of(sent):
        assert spans.plain(everything[spans.key(span)]) == spans.plain(span)
    assert apisec.process.alive


def test_secrets_are_overwritten_and_nothing_else_is(loop: tuple[Collector, Apisec]) -> None:
    collector, _ = loop
    sent = spans.secretive(1, time.time_ns())
    send(collector, [sent])
    span = arrived(collector, 1)[0]
    assert spans.values(span) == spans.values(next(spans.spans_of([sent]))) | {
        "url.query": "page=2&token=***************",
        "http.request.header.authorization": ["************************"],
    }


def test_logs_and_metrics_pass_byte_for_byte(make_apisec: MakeApisec, grpc_sink: GrpcSink) -> None:
    apisec = make_apisec(*to_grpc(grpc_sink.port))
    log = ExportLogsServiceRequest()
    log.resource_logs.add().scope_logs.add().log_records.add(severity_text="INFO", time_unix_nano=1).body.string_value = "hello"
    metric = ExportMetricsServiceRequest()
    metric.resource_metrics.add().scope_metrics.add().metrics.add(name="jobs").sum.data_points.add(as_int=3, time_unix_nano=1)
    with GrpcClient(apisec.endpoint("grpc")) as client:
        # A field that no version of the protocol knows yet must survive as well.
        bodies: dict[Signal, bytes] = {
            "logs": log.SerializeToString() + b"\xfa\x3f\x01x",
            "metrics": metric.SerializeToString() + b"\xfa\x3f\x01x",
        }
        for signal, body in bodies.items():
            assert client.export(body, signal).accepted
            assert body in grpc_sink.bodies(signal)
