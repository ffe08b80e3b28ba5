"""A server that keeps what it is sent and answers what it is told to, and log requests that tell of an incident."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from apisec_otel.clock import ManualClock
from apisec_otel.component import Host

START = 1_760_000_000 * 10**9
ATTRIBUTES: dict[str, Any] = {
    "apisec.severity": "high",
    "apisec.finding": "bola_enumeration",
    "apisec.findings": ["bola_enumeration", "scan_probing"],
    "apisec.incident.findings": ["f1", "f2"],
    "apisec.owasp": ["API1:2023", "API8:2023"],
    "apisec.risk.score": 130.5,
    "apisec.entity.type": "principal",
    "apisec.entity.id": "00000000000000aa",
    "apisec.endpoint": "shop GET /orders/{id}",
    "apisec.incident.first_time": "2025-10-09T08:53:19.500000000Z",
    "security_rule.reference": "docs/playbooks/bola_enumeration.md",
    "service.name": "shop",
}


def told(id: str = "a1", state: str = "open", at: float = 0, event: str = "apisec.incident", **more: Any) -> bytes:
    """A log request that tells of one change, so many seconds after the start."""
    request = ExportLogsServiceRequest()
    record = (
        request.resource_logs.add()
        .scope_logs.add()
        .log_records.add(event_name=event, time_unix_nano=START + int(at * 1e9), trace_id=bytes(range(16)), span_id=bytes(range(8)))
    )
    record.body.string_value = "Somebody read 40 orders <b> of others & more."
    for key, value in {**ATTRIBUTES, "apisec.incident.id": id, "apisec.incident.state": state, **more}.items():
        said = record.attributes.add(key=key).value
        if isinstance(value, list):
            said.array_value.SetInParent()
            for each in value:
                said.array_value.values.add(string_value=each)
        elif isinstance(value, float):
            said.double_value = value
        else:
            said.string_value = value
    return request.SerializeToString()


@dataclass
class Receiver:
    """What came, and what is answered next; 200 once that is used up."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)


@pytest.fixture
def receivers() -> Iterator[Callable[[], Receiver]]:
    """Makes servers on loopback."""
    servers: list[ThreadingHTTPServer] = []

    def make() -> Receiver:
        receiver = Receiver()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.headers.append(dict(self.headers.items()))
                receiver.paths.append(self.path)
                status, headers = receiver.answers.pop(0) if receiver.answers else (200, {})
                self.send_response(status)
                for name, value in {"Content-Length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        receiver.url = f"http://127.0.0.1:{server.server_port}"
        return receiver

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def receiver(receivers: Callable[[], Receiver]) -> Receiver:
    return receivers()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def host(clock: ManualClock) -> Host:
    return Host(id="webhook/own", clock=clock)


@pytest.fixture
def kept(clock: ManualClock, tmp_path: Path) -> Host:
    """With storage."""
    return Host(id="webhook/own", clock=clock, directory=tmp_path)
