"""What was learned and counted outlives the process: killed, stopped, reloaded, and with a snapshot that is broken."""

import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from helpers import Process, until
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from parts import running, sender, spans
from parts.raw import GrpcClient
from parts.running import Apisec, MakeApisec, to_grpc
from parts.sinks import GrpcSink

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
ENDLESS = 1_000_000
PER_BATCH = 5
USERS = 7
PROBE = 418

TALLY = '''
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from apisec_otel.api import Request, Severity, Signal, State


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Says at every request with status 418 how many requests of its user were counted."""

    owasp: ClassVar[str] = "API0:2023"
    severity: ClassVar[Severity] = "info"

    def signals(self, row: Request, state: State) -> Iterator[Signal]:
        counted = state.count(by=row.principal, within=timedelta(hours=1))
        yield Signal(when=row.status == 418, entity=row.principal, evidence={"counted": counted}, because="{counted.observed:.0f} counted")
'''


@pytest.fixture
def apisec(make_apisec: MakeApisec, grpc_sink: GrpcSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Apisec:
    """In front of `grpc_sink`, with a detector that tells what it counted, and a snapshot every second."""
    info = tmp_path / "plugins" / "tally_rules-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tally-rules\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[apisec_otel.detectors]\ntally = tally_rules:Tally\n")
    (info.parent / "tally_rules.py").write_text(TALLY)
    monkeypatch.setenv("PYTHONPATH", str(info.parent))
    return make_apisec(*to_grpc(grpc_sink.port), {"extensions": {"file_storage": {"snapshot_interval": "1s"}}})


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """Where the state is kept."""
    return tmp_path / "apisec" / "state" / "state.snapshot"


def findings(sink: GrpcSink) -> list[tuple[str, dict[str, object]]]:
    """Detector and attributes of each finding that the backend has."""
    requests = [ExportLogsServiceRequest.FromString(body) for body in sink.bodies("logs")]
    records = [record for each in requests for part in each.resource_logs for scope in part.scope_logs for record in scope.log_records]
    told = [spans.values(record) for record in records]
    return [(str(each["apisec.finding"]), each) for each in told if "apisec.finding" in each]


def send(apisec: Apisec, *requests: ExportTraceServiceRequest) -> None:
    with GrpcClient(apisec.endpoint("grpc")) as client:
        for each in requests:
            reply, _ = sender.insist(client, each.SerializeToString(), 20)
            assert reply.accepted, reply


def counted(apisec: Apisec, sink: GrpcSink) -> Counter[int]:
    """How many requests of each user were counted."""
    now, before = time.time_ns(), len(findings(sink))
    probes = [spans.request_span(900_000 + user, now, user__id=f"user-{user}", http__response__status_code=PROBE) for user in range(USERS)]
    send(apisec, spans.traces(probes))
    until(lambda: len(findings(sink)) >= before + USERS, "an answer for each user")
    told = [each for id, each in findings(sink)[before:] if id == "tally"]
    by_id = {str(each["apisec.entity.id"]): each["apisec.evidence.counted.observed"] for each in told}
    assert len(by_id) == USERS
    return Counter({number: round(float(str(value))) - 1 for number, value in enumerate(by_id.values())})


def requests_of(batches: range) -> Counter[int]:
    return Counter(number % USERS for batch in batches for number in range(batch * PER_BATCH, (batch + 1) * PER_BATCH))


def next_snapshot(path: Path) -> None:
    """Waits until another snapshot is there."""

    def stamp() -> int:
        return path.stat().st_mtime_ns if path.exists() else 0

    before = stamp()
    until(lambda: stamp() != before, "another snapshot")


def test_killed_under_load_it_loses_an_interval_at_most_and_counts_nothing_twice(
    apisec: Apisec, grpc_sink: GrpcSink, snapshot: Path, tmp_path: Path, start: Callable[[Process], Process]
) -> None:
    journal, enough = tmp_path / "journal", tmp_path / "enough"
    arguments = ("grpc", apisec.endpoint("grpc"), journal, "--batches", ENDLESS, "--spans", PER_BATCH, "--until", enough)
    insisting = start(running.part("parts.sender", *arguments, log=tmp_path / "sender.log"))
    lost = 0
    for _ in range(2):
        next_snapshot(snapshot)
        before = len(sender.read_journal(journal))
        next_snapshot(snapshot)  # begun after the one before, so it knows all that was acknowledged then
        apisec.process.kill()
        assert insisting.alive, insisting.output
        lost += len(sender.read_journal(journal)) + 1 - before
        apisec.process.start()
    next_snapshot(snapshot)
    enough.touch()
    assert insisting.wait(240) == 0, insisting.output
    acknowledged = [each.batch for each in sender.read_journal(journal)]
    batches = range(len(acknowledged))
    assert acknowledged == list(batches)
    arrived = {spans.key(span) for span in spans.spans_of(spans.parse(grpc_sink.bodies()))}
    sent = spans.spans_of([spans.batch(0, len(batches) * PER_BATCH, 0)])
    assert {spans.key(span) for span in sent} <= arrived
    true, found = requests_of(batches), counted(apisec, grpc_sink)
    assert all(found[user] <= true[user] for user in true), (found, true)
    assert sum(true.values()) - sum(found.values()) <= lost * PER_BATCH, (found, true, lost)
    assert sum(found.values()) > sum(true.values()) // 2, "something is known"


def walk(first: int, count: int) -> ExportTraceServiceRequest:
    return spans.attack(first, count, time.time_ns())


def walks_found(sink: GrpcSink) -> int:
    return sum(id == "bola_enumeration" for id, _ in findings(sink))


def test_stopped_and_started_it_forgets_nothing(apisec: Apisec, grpc_sink: GrpcSink) -> None:
    batch = spans.batch(0, 70, time.time_ns())
    send(apisec, walk(1_000, 15), batch)
    apisec.process.stop()
    assert apisec.process.returncode == 0
    apisec.process.start()
    assert not walks_found(grpc_sink)
    send(apisec, walk(1_015, 15), batch)
    until(lambda: walks_found(grpc_sink), "a walk of which neither half is one")
    assert counted(apisec, grpc_sink) == requests_of(range(14))


def test_reloaded_it_keeps_what_is_unchanged(apisec: Apisec, grpc_sink: GrpcSink, tmp_path: Path) -> None:
    batch = spans.batch(0, 70, time.time_ns())
    send(apisec, walk(1_000, 15), batch)
    changed = tmp_path / "apisec" / "more.yaml"
    settings = yaml.safe_load(changed.read_text())
    settings["processors"] = {"detect": {"detectors": {"scan_probing": {"mode": "off"}}}}
    changed.write_text(yaml.safe_dump(settings))
    apisec.process.send(signal.SIGHUP)
    until(lambda: "reloaded" in apisec.process.output, "the reload")
    send(apisec, walk(1_015, 15), batch)
    until(lambda: walks_found(grpc_sink), "a walk of which neither half is one")
    assert counted(apisec, grpc_sink) == requests_of(range(14))
    settings["processors"] = {}
    changed.write_text(yaml.safe_dump(settings))
    apisec.process.send(signal.SIGHUP)
    until(lambda: "begun without memory: processors::detect (scan_probing)" in apisec.process.output, "the warning")


def test_a_broken_snapshot_is_set_aside(apisec: Apisec, grpc_sink: GrpcSink, snapshot: Path) -> None:
    batch = spans.batch(0, 70, time.time_ns())
    send(apisec, batch)
    apisec.process.stop()
    whole = bytearray(snapshot.read_bytes())
    whole[len(whole) // 2] ^= 4
    snapshot.write_bytes(whole)
    apisec.process.start()
    assert apisec.process.output.count("starting without memory") == 1
    assert snapshot.with_suffix(".bad").exists()
    send(apisec, batch)
    assert counted(apisec, grpc_sink) == requests_of(range(14))


def test_a_disk_that_is_gone_stops_nothing(apisec: Apisec, grpc_sink: GrpcSink, snapshot: Path) -> None:
    next_snapshot(snapshot)
    snapshot.parent.rename(snapshot.parent.with_name("elsewhere"))
    until(lambda: "cannot be written: No such file" in apisec.process.output, "the error")
    send(apisec, spans.batch(0, 70, time.time_ns()))
    assert counted(apisec, grpc_sink) == requests_of(range(14))
    snapshot.parent.with_name("elsewhere").rename(snapshot.parent)
    until(lambda: "snapshots are taken again" in apisec.process.output, "another snapshot")
