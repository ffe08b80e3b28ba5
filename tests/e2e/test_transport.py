"""The native transport between grpcio clients and backends that share no code with it."""

import gzip
import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from parts import spans
from parts.answers import FULL, INVALID, UNAVAILABLE, Answer
from parts.raw import GrpcClient, HttpClient
from parts.sinks import GrpcSink, HttpSink

from apisec_otel import _native, semconv

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
EACH = 2
"""Spans that `spans.batch` makes of each request: a server's and a child."""
NOW = 1_790_000_000_000_000_000
SECONDS = float(os.environ.get("APISEC_LOAD_SECONDS", "5"))
"""How long the load runs."""


class Engine:
    """A thread that pulls and pushes, as the pipeline does."""

    def __init__(self, io: Any, exporter: Any, work: Callable[[list[Any]], None] = lambda requests: None) -> None:
        self._io, self._exporter, self._work = io, exporter, work
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.pulled: list[int] = []

    def _run(self) -> None:
        while not self._stop.is_set():
            requests = self._io.pull(wait=0.05)
            if not requests:
                continue
            self.pulled.append(len(requests))
            self._work(requests)
            self._io.push_batch(self._exporter, requests, _native.batch(requests))
            del requests  # handles hold their bytes

    def __enter__(self) -> "Engine":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


class Middle:
    """A server, an exporter, and between them an engine that changes nothing."""

    def __init__(self, stack: ExitStack, kind: str, endpoint: str, **settings: object) -> None:
        self.io = _native.Io("{}", _native.Vocabulary(semconv.vocabulary_json(), bytes(16)))
        stack.callback(self.io.close)
        config = {"name": "backend", "kind": kind, "endpoint": endpoint, "tls": {"insecure": True}} | settings
        self.exporter = self.io.exporter(json.dumps(config))
        ports = {
            "name": "otlp",
            "grpc": {"endpoint": "127.0.0.1:0"},
            "http": {"endpoint": "127.0.0.1:0"},
            "metadata_keys": ["x-scope-orgid"],
        }
        direct = {"logs": self.exporter, "metrics": self.exporter}
        self.server = self.io.server(json.dumps(ports), {"traces": self.exporter}, direct)
        self.engine = stack.enter_context(Engine(self.io, self.exporter))
        self.grpc = self.server.addresses["grpc"]
        self.http = f"http://{self.server.addresses['http']}"

    def counted(self, name: str) -> int:
        """A counter over all its labels."""
        return sum(count for found, *_, count in self.io.counters() if found == name)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Ends what a test began."""
    with ExitStack() as made:
        yield made


@pytest.fixture(params=["otlp_grpc", "otlp_http"])
def chain(request: pytest.FixtureRequest, stack: ExitStack) -> tuple[Middle, GrpcSink | HttpSink]:
    """A middle and its backend, over each protocol."""
    sink = stack.enter_context(GrpcSink() if request.param == "otlp_grpc" else HttpSink())
    return Middle(stack, request.param, sink.endpoint), sink


Chain = tuple[Middle, GrpcSink | HttpSink]


def test_every_way_in_leads_out(chain: Chain) -> None:
    middle, sink = chain
    body = spans.batch(0, 600, NOW).SerializeToString()
    for compressed in (False, True):
        for client in (GrpcClient(middle.grpc, compressed), HttpClient(middle.http, compressed)):
            reply = client.export(body)
            assert reply.accepted, reply
            client.close()
    assert sink.bodies() == [body] * 4
    assert middle.counted("receiver_accepted_items") == middle.counted("exporter_sent_items") == 4 * 600 * EACH


def test_logs_pass_byte_for_byte(chain: Chain) -> None:
    middle, sink = chain
    body = ExportLogsServiceRequest().SerializeToString() + b"\xfa\x3f\x03new"
    with GrpcClient(middle.grpc) as client:
        assert client.export(body, "logs").accepted
    assert sink.bodies("logs") == [body]


def test_headers_that_are_named_go_on(chain: Chain) -> None:
    middle, sink = chain
    with GrpcClient(middle.grpc) as client:
        assert client.export(spans.batch(0, 1, NOW).SerializeToString(), metadata=[("x-scope-orgid", "a"), ("x-other", "b")]).accepted
    assert sink.received[0].headers["x-scope-orgid"] == "a"
    assert "x-other" not in sink.received[0].headers


def test_the_answer_is_the_backends(chain: Chain) -> None:
    middle, sink = chain
    body = spans.batch(0, 3, NOW).SerializeToString()
    with GrpcClient(middle.grpc) as client:
        sink.answer(Answer(grpc="UNAVAILABLE", http=503, message="busy", retry_after=7), 1)
        reply = client.export(body)
        assert (reply.code, reply.retry_after) == ("UNAVAILABLE", 7)
        sink.answer(INVALID, 1)
        assert client.export(body).code == "INVALID_ARGUMENT"
        sink.answer(FULL, 1)
        reply = client.export(body)
        assert (reply.code, reply.retry_after is None) == ("RESOURCE_EXHAUSTED", FULL.retry_after is None)
        sink.answer(Answer(rejected=2, message="two"), 1)
        partial = ExportTraceServiceResponse.FromString(client.export(body).body).partial_success
        assert (partial.rejected_spans, partial.error_message) == (2, "two")
        sink.answer(Answer(garbage=b"\xff\xffnonsense"), 1)
        assert client.export(body).code in ("UNAVAILABLE", "OK")


def test_python_reads_the_delay_where_it_looks(stack: ExitStack) -> None:
    sink = stack.enter_context(GrpcSink())
    middle = Middle(stack, "otlp_grpc", sink.endpoint)
    sink.answer(Answer(grpc="UNAVAILABLE", http=503, retry_after=7))
    channel = stack.enter_context(grpc.insecure_channel(middle.grpc))
    call: Any = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
    with pytest.raises(grpc.RpcError) as failed:
        call(b"", timeout=5)
    error: Any = failed.value
    trailers = dict(error.trailing_metadata())
    assert RetryInfo.FromString(trailers["google.rpc.retryinfo-bin"]).retry_delay.seconds == 7


def test_a_slow_backend_is_given_up_within_the_deadline(chain: Chain) -> None:
    middle, sink = chain
    sink.answer(Answer(delay=30))
    with GrpcClient(middle.grpc) as client:
        reply = client.export(spans.batch(0, 1, NOW).SerializeToString(), timeout=8)
    assert reply.code == "UNAVAILABLE"


def test_a_backend_that_comes_back_is_found(chain: Chain) -> None:
    middle, sink = chain
    body = spans.batch(0, 1, NOW).SerializeToString()
    with GrpcClient(middle.grpc) as client:
        assert client.export(body).accepted
        sink.stop()
        assert client.export(body).retryable
        sink.start()
        until = time.monotonic() + 6
        while not client.export(body).accepted:
            assert time.monotonic() < until
            time.sleep(0.05)


def test_a_request_of_over_four_mebibytes_leaves_in_parts(chain: Chain) -> None:
    middle, sink = chain
    whole = spans.batch(0, 30_000, NOW)
    with GrpcClient(middle.grpc) as client:
        assert client.export(whole.SerializeToString(), timeout=20).accepted
    parts = sink.bodies()
    assert len(parts) > 1
    assert max(map(len, parts)) <= (4 << 20) - (64 << 10)
    sent = [span.span_id for span in spans.spans_of(spans.parse(parts))]
    assert sent == [span.span_id for span in spans.spans_of([whole])]


def test_an_engine_that_stalls_is_passed_by(stack: ExitStack) -> None:
    sink = stack.enter_context(GrpcSink())
    middle = Middle(stack, "otlp_grpc", sink.endpoint)
    body = spans.batch(0, 5, NOW).SerializeToString()
    held = threading.Event()
    middle.engine._work = lambda requests: void(held.wait(3))
    stack.callback(held.set)
    with ThreadPoolExecutor(4) as pool, GrpcClient(middle.grpc) as client:
        first = pool.submit(client.export, body)
        time.sleep(0.3)
        begin = time.monotonic()
        assert client.export(body).accepted
        assert time.monotonic() - begin < 1
        held.set()
        assert first.result().accepted
    assert middle.counted("receiver_unanalysed_requests") == 1
    assert len(sink.bodies()) == 2


def void(_: object) -> None:
    """Drops a value."""


def test_load_loses_nothing_and_nobody_waits_long(stack: ExitStack) -> None:
    sink = stack.enter_context(GrpcSink())
    middle = Middle(stack, "otlp_grpc", sink.endpoint, compression="none")
    body = spans.batch(0, 64, NOW).SerializeToString()
    until = time.monotonic() + SECONDS

    def send() -> tuple[int, float]:
        calls, worst = 0, 0.0
        with GrpcClient(middle.grpc) as client:
            while time.monotonic() < until:
                begin = time.monotonic()
                assert client.export(body).accepted
                worst = max(worst, time.monotonic() - begin)
                calls += 1
        return calls, worst

    with ThreadPoolExecutor(16) as pool:
        done = [each.result() for each in [pool.submit(send) for _ in range(16)]]
    calls = sum(count for count, _ in done)
    assert sum(map(len, sink.bodies())) == calls * len(body)
    assert middle.counted("receiver_accepted_items") == calls * 64 * EACH
    assert max(worst for _, worst in done) < 3
    assert middle.io.in_flight_bytes == 0


def test_a_bomb_and_an_unknown_encoding_are_refused_with_their_codes(stack: ExitStack) -> None:
    sink = stack.enter_context(GrpcSink())
    middle = Middle(stack, "otlp_grpc", sink.endpoint)
    bomb = gzip.compress(bytes(80 << 20))
    headers = {"Content-Encoding": "gzip"}
    reply = HttpClient(middle.http).export(bomb, metadata=tuple(headers.items()))
    assert reply.code == "413"
    with GrpcClient(middle.grpc, compressed=True) as client:
        assert client.export(bytes(65 << 20), timeout=30).code == "RESOURCE_EXHAUSTED"
    assert HttpClient(middle.http).export(b"x", metadata=(("Content-Encoding", "br"),)).code == "400"
    assert sink.bodies() == []


def varint(value: int) -> bytes:
    """As protobuf writes a length."""
    return bytes([value & 127 | 128]) + varint(value >> 7) if value > 127 else bytes([value])


def field_of(number: int, content: bytes) -> bytes:
    """A length-delimited field."""
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def request_of(all_spans: bytes) -> bytes:
    """A request of one scope."""
    return field_of(1, field_of(2, all_spans))


def test_crowded_requests_are_refused_or_pass_whole_and_cost_nobody_else(stack: ExitStack) -> None:
    sink = stack.enter_context(GrpcSink())
    middle = Middle(stack, "otlp_grpc", sink.endpoint)
    same = field_of(2, field_of(1, bytes(range(1, 17))) + field_of(2, bytes(range(1, 9))) + b"\x30\x02")
    with GrpcClient(middle.grpc) as client:
        assert client.export(request_of(field_of(2, b"") * 2_000_000), timeout=20).code == "RESOURCE_EXHAUSTED"
        assert client.export(request_of(same * 10_000), timeout=20).accepted
        assert client.export(spans.batch(0, 3, NOW).SerializeToString()).accepted
    *crowd, last = sink.bodies()
    sent = [(span.trace_id, span.span_id) for span in spans.spans_of(spans.parse(crowd))]
    assert sent == [(bytes(range(1, 17)), bytes(range(1, 9)))] * 10_000
    assert last == spans.batch(0, 3, NOW).SerializeToString()


def test_the_passthrough_needs_no_engine(stack: ExitStack) -> None:
    sink = stack.enter_context(GrpcSink())
    io = _native.Io("{}", _native.Vocabulary(semconv.vocabulary_json(), bytes(16)))
    stack.callback(io.close)
    exporter = io.exporter(json.dumps({"name": "b", "kind": "otlp_grpc", "endpoint": sink.endpoint, "tls": {"insecure": True}}))
    server = io.passthrough(json.dumps({"name": "otlp", "grpc": {"endpoint": "127.0.0.1:0"}}), exporter)
    body = spans.batch(0, 5, NOW).SerializeToString()
    with GrpcClient(server.addresses["grpc"]) as client:
        assert client.export(body).accepted
        assert client.export(b"\xff", "traces").code == "INTERNAL"
        sink.answer(UNAVAILABLE)
        assert client.export(body).code == "UNAVAILABLE"
    assert server.drain(2)
    assert sink.bodies() == [body]


FEW = 40
"""File descriptors of the process below."""
STARVED = """
import json, sys
from apisec_otel import _native, semconv
io = _native.Io("{}", _native.Vocabulary(semconv.vocabulary_json(), bytes(16)))
server = io.server(json.dumps({"name": "otlp", "http": {"endpoint": "127.0.0.1:0"}}), {"traces": None}, {})
print(server.addresses["http"], flush=True)
while True:
    for request in io.pull(wait=0.1):
        request.accept()
"""


def test_a_process_out_of_descriptors_recovers(stack: ExitStack) -> None:
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (FEW, FEW))
    process = subprocess.Popen([sys.executable, "-c", STARVED], stdout=subprocess.PIPE, text=True, preexec_fn=limit)
    stack.callback(process.wait)
    stack.callback(process.kill)
    assert process.stdout
    stack.callback(process.stdout.close)
    host, _, port = process.stdout.readline().strip().partition(":")
    crowd = [socket.create_connection((host, int(port))) for _ in range(2 * FEW)]
    time.sleep(1)
    assert process.poll() is None
    for each in crowd:
        each.close()
    until = time.monotonic() + 5
    while not HttpClient(f"http://{host}:{port}").export(b"").accepted:
        assert time.monotonic() < until
        time.sleep(0.1)
