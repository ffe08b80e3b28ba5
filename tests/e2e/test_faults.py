"""Real processes are killed, restarted, slow or refusing: no acknowledged span is lost, none counted twice.

The first tests run against a Collector without queue as well: what they demand, the Collector does.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers import Process, free_port, listens, until
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from parts import running, sender, sinks, spans
from parts.answers import ACCEPT, FULL, INVALID, UNAVAILABLE, Answer
from parts.raw import GrpcClient, HttpClient, Reply
from parts.running import Apisec, MakeApisec, MakeCollector, to_grpc
from parts.sinks import GrpcSink

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
BATCHES = 600
PER_BATCH = 10
SOON = 50
"""Batches acknowledged before a side is killed: all is under way, and most is still to come."""


@dataclass
class Chain:
    """Sender -> middle -> backend, all processes, with the journals of both ends."""

    middle: Process
    backend: Process
    protocol: str
    endpoint: str
    folder: Path
    start: Callable[[Process], Process]

    @property
    def delivered(self) -> Path:
        """What the backend took."""
        return self.folder / "backend.journal"

    @property
    def acknowledged(self) -> Path:
        """What the sender was told is delivered."""
        return self.folder / "sender.journal"

    def send(self) -> Process:
        """Starts the sender, which insists."""
        arguments = (self.protocol, self.endpoint, self.acknowledged, "--batches", BATCHES, "--spans", PER_BATCH)
        return self.start(running.part("parts.sender", *arguments, log=self.folder / "sender.log"))

    def under_way(self, more: int = SOON) -> None:
        """Waits until so many more batches were acknowledged."""
        begun = len(sender.read_journal(self.acknowledged))
        until(lambda: len(sender.read_journal(self.acknowledged)) >= begun + more, f"{more} more batches acknowledged", 60)

    def lost(self) -> set[int]:
        """Numbers of acknowledged batches of which any span is missing at the backend."""
        arrived = {spans.key(span) for span in spans.spans_of(spans.parse(sinks.read_journal(self.delivered)))}
        numbers = [each.batch for each in sender.read_journal(self.acknowledged)]
        return {number for number in numbers if not _keys(number) <= arrived}


def _keys(batch: int) -> set[str]:
    return {spans.key(span) for span in spans.spans_of([spans.batch(batch * PER_BATCH, PER_BATCH, 0)])}


@pytest.fixture(params=["collector-grpc", "apisec-grpc", "apisec-http", "both-grpc"])
def chain(request: pytest.FixtureRequest, tmp_path: Path, start: Callable[[Process], Process]) -> Chain:
    middle, protocol = request.param.split("-")
    port = free_port()
    backend = running.part(
        "parts.sinks", "grpc", port, tmp_path / "backend.journal", log=tmp_path / "backend.log", ready=lambda: listens(port)
    )
    start(backend)
    process, endpoint = _middle(middle, protocol, port, request)
    return Chain(process, backend, protocol, endpoint, tmp_path, start)


def _middle(kind: str, protocol: str, port: int, request: pytest.FixtureRequest) -> tuple[Process, str]:
    """What stands before the backend at `port`, the outermost process, and where to send."""
    if kind == "collector":
        return _collector(port, request)
    make: MakeApisec = request.getfixturevalue("make_apisec")
    apisec = make(*to_grpc(port))
    return _collector(apisec.grpc, request) if kind == "both" else (apisec.process, apisec.endpoint(protocol))


def _collector(port: int, request: pytest.FixtureRequest) -> tuple[Process, str]:
    make: MakeCollector = request.getfixturevalue("make_collector")
    made = make("front", apisec=f"127.0.0.1:{port}", queue="false", retry="false")
    return made.process, f"127.0.0.1:{made.grpc}"


def test_backend_is_killed_and_comes_back(chain: Chain) -> None:
    insisting = chain.send()
    for _ in range(3):
        chain.under_way()
        assert insisting.alive, insisting.output
        chain.backend.kill()
        chain.backend.start()
    assert insisting.wait(120) == 0, insisting.output
    assert len(sender.read_journal(chain.acknowledged)) == BATCHES
    assert chain.lost() == set()
    assert chain.middle.alive


def test_the_middle_is_killed_and_comes_back(chain: Chain) -> None:
    insisting = chain.send()
    for _ in range(2):
        chain.under_way()
        assert insisting.alive, insisting.output
        chain.middle.kill()
        chain.middle.start()
    assert insisting.wait(120) == 0, insisting.output
    assert len(sender.read_journal(chain.acknowledged)) == BATCHES
    assert chain.lost() == set()


def test_the_middle_is_stopped_orderly_and_loses_nothing(chain: Chain) -> None:
    insisting = chain.send()
    chain.under_way()
    chain.middle.stop()
    assert chain.middle.returncode == 0, chain.middle.output
    chain.middle.start()
    assert insisting.wait(120) == 0, insisting.output
    assert chain.lost() == set()


def test_the_sender_is_killed(chain: Chain) -> None:
    insisting = chain.send()
    chain.under_way()
    insisting.kill()
    assert sender.read_journal(chain.acknowledged)
    assert chain.lost() == set()
    assert chain.middle.alive
    another = running.part("parts.sender", chain.protocol, chain.endpoint, chain.folder / "second", log=chain.folder / "second.log")
    assert chain.start(another).wait(120) == 0, another.output


@pytest.fixture
def apisec(make_apisec: MakeApisec, grpc_sink: GrpcSink) -> Apisec:
    """In front of `grpc_sink`."""
    return make_apisec(*to_grpc(grpc_sink.port))


@pytest.fixture(params=["grpc", "http"])
def client(request: pytest.FixtureRequest, apisec: Apisec) -> GrpcClient | HttpClient:
    endpoint = apisec.endpoint(request.param)
    return GrpcClient(endpoint) if request.param == "grpc" else HttpClient(endpoint)


def requests_counted(sink: GrpcSink) -> int:
    """The latest count of requests that apisec-otel has exported as a metric."""
    latest = 0
    for body in sink.bodies("metrics"):
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            counts = [each for scope in resource.scope_metrics for each in scope.metrics if each.name == "apisec.requests"]
            latest = max(latest, sum(point.as_int for each in counts for point in each.sum.data_points))
    return latest


def tries(sink: GrpcSink, ids: Iterable[str]) -> list[bytes]:
    """The requests, refused ones too, that carried any of these spans."""
    wanted = set(ids)
    bodies = sink.bodies(accepted=False)
    return [body for body in bodies if wanted & {spans.key(each) for each in spans.spans_of(spans.parse([body]))}]


def test_a_retry_keeps_its_annotations_and_is_counted_once(client: GrpcClient | HttpClient, grpc_sink: GrpcSink) -> None:
    attack = spans.attack(0, 60, time.time_ns())
    grpc_sink.answer(UNAVAILABLE)
    for _ in range(2):
        refused = client.export(attack.SerializeToString())
        assert refused.retryable, refused
    grpc_sink.answer(ACCEPT)
    reply, _ = sender.insist(client, attack.SerializeToString(), 20)
    assert reply.accepted, reply
    ids = {spans.key(each) for each in spans.spans_of([attack])}
    seen = tries(grpc_sink, ids)
    assert len(seen) >= 3
    flagged = [{spans.key(s): spans.values(s) for s in spans.spans_of(spans.parse([each])) if spans.key(s) in ids} for each in seen]
    assert any("apisec.finding" in stated for stated in flagged[0].values())
    assert all(each == flagged[0] for each in flagged)
    more = spans.batch(1000, 5, time.time_ns())
    assert client.export(more.SerializeToString()).accepted
    until(lambda: requests_counted(grpc_sink) >= 65, "65 requests counted")
    assert requests_counted(grpc_sink) == 65


def test_the_backends_wish_to_wait_reaches_the_sender(client: GrpcClient | HttpClient, grpc_sink: GrpcSink) -> None:
    grpc_sink.answer(FULL)
    reply = client.export(spans.batch(0, 5, time.time_ns()).SerializeToString())
    assert reply.code in ("RESOURCE_EXHAUSTED", "UNAVAILABLE", "429", "503"), reply
    assert reply.retry_after == 1.0


def test_a_refusal_for_good_reaches_its_sender_and_nobody_else(client: GrpcClient | HttpClient, grpc_sink: GrpcSink) -> None:
    grpc_sink.answer(INVALID, times=1)
    refused = client.export(spans.batch(0, 5, time.time_ns()).SerializeToString())
    assert refused.code in ("INVALID_ARGUMENT", "400"), refused
    assert client.export(spans.batch(5, 5, time.time_ns()).SerializeToString()).accepted


def test_a_partial_success_is_accepted_with_the_backends_words(client: GrpcClient | HttpClient, grpc_sink: GrpcSink) -> None:
    grpc_sink.answer(Answer(rejected=2, message="two are too old"), times=1)
    reply = client.export(spans.batch(0, 5, time.time_ns()).SerializeToString())
    assert reply.accepted, reply
    assert "two are too old" in ExportTraceServiceResponse.FromString(reply.body).partial_success.error_message


def test_a_slow_backend_is_answered_before_the_senders_deadline(apisec: Apisec, grpc_sink: GrpcSink) -> None:
    batch = spans.batch(0, 5, time.time_ns()).SerializeToString()
    grpc_sink.answer(Answer(delay=30), times=1)
    with GrpcClient(apisec.endpoint("grpc")) as client:
        began = time.monotonic()
        reply = client.export(batch, timeout=2)
        assert reply.retryable, reply
        # An answer of the server's, not the client's giving up: it comes a tenth of the time before.
        assert time.monotonic() - began < 1.95, reply
        again, _ = sender.insist(client, batch, 20)
        assert again.accepted, again
    until(lambda: requests_counted(grpc_sink) >= 5, "5 requests counted")
    assert requests_counted(grpc_sink) == 5


def test_nonsense_from_the_backend_does_no_harm(apisec: Apisec, client: GrpcClient | HttpClient, grpc_sink: GrpcSink) -> None:
    grpc_sink.answer(Answer(garbage=b"\xff\xff\xff"), times=1)
    replied: Reply = client.export(spans.batch(0, 5, time.time_ns()).SerializeToString())
    assert replied.code
    assert apisec.process.alive
    reply, _ = sender.insist(client, spans.batch(5, 5, time.time_ns()).SerializeToString(), 20)
    assert reply.accepted, reply


def test_a_backend_that_is_not_there_yet(make_apisec: MakeApisec) -> None:
    """apisec-otel starts without its backend, says so to senders, and delivers when it comes."""
    port = free_port()
    apisec = make_apisec(*to_grpc(port))
    batch = spans.batch(0, 5, time.time_ns()).SerializeToString()
    with GrpcClient(apisec.endpoint("grpc")) as client:
        reply = client.export(batch)
        assert reply.retryable, reply
        with GrpcSink(port) as sink:
            again, _ = sender.insist(client, batch, 20)
            assert again.accepted, again
            assert {spans.key(each) for each in spans.spans_of(spans.parse(sink.bodies()))} >= {
                spans.key(each) for each in spans.spans_of(spans.parse([batch]))
            }
