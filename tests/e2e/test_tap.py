"""The README's tap: a copy of the traces goes to apisec-otel, and nothing depends on it."""

import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import Process, free_port, until
from parts import running, spans
from parts.raw import GrpcClient
from parts.running import ROOT, Collector

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
Start = Callable[[Process], Process]
BATCHES = 400
SMALL = """
processors: {batch/copy: {send_batch_size: 1, send_batch_max_size: 1}}
exporters: {otlp_grpc/apisec: {sending_queue: {queue_size: 20, num_consumers: 1}}}
"""
"""A queue that these fill."""


@pytest.fixture
def tapped(otelcol: Path, start: Start, tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Collector, running.Apisec]:
    """The README's excerpt over collector-config.yaml, and `packaged:tap`, on free ports; the Collector's backend is a file.

    A parameter is configuration laid over all.
    """
    blocks = re.findall(r"^```yaml collector\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    excerpt = next(block for block in blocks if "traces/copy" in block)
    port = free_port()
    (tmp_path / "tap.yaml").write_text(excerpt.replace("localhost:24317", f"127.0.0.1:{port}").replace("otlp_http/backend", "file"))
    (tmp_path / "more.yaml").write_text(getattr(request, "param", ""))
    collector = running.collector(otelcol, tmp_path, more=[tmp_path / "tap.yaml", tmp_path / "more.yaml"])
    start(collector.process)
    apisec = running.tap(tmp_path, port, backend=collector.checked_http)
    start(apisec.process)
    return collector, apisec


def send(collector: Collector, batches: list[Any]) -> None:
    with GrpcClient(f"127.0.0.1:{collector.grpc}") as client:
        for batch in batches:
            reply = client.export(batch.SerializeToString())
            assert reply.accepted, reply


def test_only_findings_come_back(tapped: tuple[Collector, running.Apisec]) -> None:
    collector, _ = tapped
    sent = [spans.batch(0, 25, time.time_ns()), spans.attack(10_000, 60, time.time_ns())]
    send(collector, sent)
    until(lambda: [each for each in collector.spans() if each.name == "apisec.finding bola_enumeration"], "a finding span")
    until(lambda: [each for each in collector.logs() if each.event_name == "apisec.finding"], "a finding's log event")
    expected = Counter(spans.plain(span) for span in spans.spans_of(sent))
    others = [each for each in collector.spans() if not each.name.startswith("apisec.finding")]
    assert Counter(map(spans.plain, others)) == expected


@pytest.mark.parametrize("tapped", [SMALL], ids=["small-queue"], indirect=True)
@pytest.mark.parametrize("fate", ["frozen", "killed"])
def test_nothing_depends_on_it(tapped: tuple[Collector, running.Apisec], fate: str) -> None:
    """While it hangs or is gone every request is accepted at once, and each span reaches the backend once."""
    collector, apisec = tapped
    if fate == "frozen":
        apisec.process.send(signal.SIGSTOP)
    else:
        apisec.process.kill()
    now = time.time_ns()
    sent = [spans.batch(number, 1, now) for number in range(BATCHES)]
    send(collector, sent)
    expected = Counter(spans.plain(span) for span in spans.spans_of(sent))
    until(lambda: len(collector.spans()) >= expected.total(), "every span at the backend")
    assert Counter(map(spans.plain, collector.spans())) == expected
    assert "sending queue is full" in collector.process.output
    apisec.process.kill()
