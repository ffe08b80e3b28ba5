"""The lab sends to an endpoint what it would write into files."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceServicer, add_TraceServiceServicer_to_server

from examples.lab import cli

SMALL = ["--scale", "0.001", "--speed", "1e9", "--attacks", "bola.walk", "--environment", "bank"]


@contextmanager
def http(taken: list[bytes], refused: list[int]) -> Iterator[str]:
    """A receiver of OTLP/HTTP, which answers so many requests with another status first."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = refused.pop() if refused else 200
            if status == 200 and self.path == "/v1/traces":
                taken.append(body)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def rpc(taken: list[bytes]) -> Iterator[str]:
    class Servicer(TraceServiceServicer):
        def Export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:
            taken.append(request.SerializeToString())
            return ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(1))
    add_TraceServiceServicer_to_server(Servicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def span_ids(taken: list[bytes]) -> set[str]:
    requests = map(ExportTraceServiceRequest.FromString, taken)
    return {span.span_id.hex() for each in requests for group in each.resource_spans for scope in group.scope_spans for span in scope.spans}


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_all_of_it_arrives_and_the_truth_is_written(protocol: str, tmp_path: Path) -> None:
    taken: list[bytes] = []
    with http(taken, []) if protocol == "http" else rpc(taken) as endpoint:
        assert cli.main(["--to", endpoint, "--truth", str(tmp_path / "truth.jsonl"), *SMALL]) == 0
    told = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text().splitlines()]
    assert len(told) > 300
    assert {each["span_id"] for each in told} <= span_ids(taken)


def test_what_is_refused_for_now_is_sent_again_and_what_is_refused_for_good_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    taken: list[bytes] = []
    with http(taken, [503]) as endpoint:
        assert cli.main(["--to", endpoint, *SMALL]) == 0
    everything = len(taken)
    taken.clear()
    with http(taken, [400]) as endpoint:
        assert cli.main(["--to", endpoint, *SMALL]) == 1
    assert everything > 100 > len(taken)
    assert "answered 400" in capsys.readouterr().err


def test_a_scheme_that_is_not_spoken_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--to", "https://127.0.0.1:1", *SMALL]) == 1
    assert "write http://host:4318 for OTLP/HTTP, or host:4317 for gRPC" in capsys.readouterr().err
