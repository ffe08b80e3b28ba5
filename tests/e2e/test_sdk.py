"""OpenTelemetry's own Python SDK as the sender: to a bare sink (what it sends), and through apisec-otel."""

import json
from pathlib import Path

import pytest
from helpers import until
from parts import running, spans
from parts.running import MakeApisec
from parts.sinks import GrpcSink, HttpSink

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
COUNT = 300


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize("through", ["nothing", "apisec-otel"])
def test_all_spans_arrive_once(
    through: str, protocol: str, compression: str, grpc_sink: GrpcSink, http_sink: HttpSink, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    sink = grpc_sink if protocol == "grpc" else http_sink
    endpoint = sink.endpoint
    if through == "apisec-otel":
        make: MakeApisec = request.getfixturevalue("make_apisec")
        to = running.to_grpc if protocol == "grpc" else running.to_http
        endpoint = make(*to(sink.port)).endpoint(protocol)
    with running.part("parts.sdk", protocol, compression, endpoint, COUNT, log=tmp_path / "sdk.log") as client:
        assert client.wait(60) == 0, client.output
        report = json.loads(client.output.splitlines()[-1])
    assert report["flushed"]
    until(lambda: len(list(spans.spans_of(spans.parse(sink.bodies())))) >= report["sent"], "all spans")
    arrived = [spans.key(span) for span in spans.spans_of(spans.parse(sink.bodies()))]
    assert sorted(arrived) == sorted(report["ids"])
