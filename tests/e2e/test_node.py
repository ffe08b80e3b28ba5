"""OpenTelemetry's own Node SDK as the sender, in protobuf, JSON (both sent in chunks) and gRPC."""

import json
import subprocess
from pathlib import Path

import pytest
from helpers import until
from parts import running, spans
from parts.running import MakeApisec
from parts.sinks import GrpcSink, HttpSink

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
COUNT = 300


def send(node_client: Path, protocol: str, compression: str, endpoint: str) -> list[str]:
    """The ids of the spans that the client says it has sent."""
    command = ["node", str(node_client), protocol, compression, endpoint, str(COUNT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["flushed"]
    ids: list[str] = report["ids"]
    return ids


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("protocol", ["proto", "json", "grpc"])
def test_what_the_client_sends(protocol: str, compression: str, node_client: Path, grpc_sink: GrpcSink, http_sink: HttpSink) -> None:
    sink = grpc_sink if protocol == "grpc" else http_sink
    ids = send(node_client, protocol, compression, sink.endpoint)
    bodies = sink.bodies()
    arrived = spans.spans_of(map(spans.from_json, bodies) if protocol == "json" else spans.parse(bodies))
    assert sorted(map(spans.key, arrived)) == sorted(ids)


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("protocol", ["proto", "json", "grpc"])
def test_all_spans_arrive_once_through_apisec_otel(
    protocol: str, compression: str, node_client: Path, grpc_sink: GrpcSink, make_apisec: MakeApisec
) -> None:
    apisec = make_apisec(*running.to_grpc(grpc_sink.port))
    ids = send(node_client, protocol, compression, apisec.endpoint("grpc" if protocol == "grpc" else "http"))
    until(lambda: len(list(spans.spans_of(spans.parse(grpc_sink.bodies())))) >= len(ids), "all spans")
    arrived = [spans.key(span) for span in spans.spans_of(spans.parse(grpc_sink.bodies()))]
    assert sorted(arrived) == sorted(ids)
