"""A pipeline in plain Python, as small as the real one's face: what replay and the judge need of it."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from apisec_otel.cli.judged import Judged
from apisec_otel.component import EndpointNames
from apisec_otel.findings.finding import Rule
from apisec_otel.findings.rows import native_view
from apisec_otel.processors.decide import Decide, DecideSettings
from apisec_otel.spans.batch import SpanBatch

KEYS = ("service", "endpoint", "principal", "session", "client")
LAYOUT: list[tuple[str, str, int]] = [
    ("trace_id", "(16,)u1", 0),
    ("span_id", "(8,)u1", 16),
    ("start", "<u8", 24),
    ("end", "<u8", 32),
    ("time", "<i8", 40),
    *((key, "<u8", 48 + 8 * at) for at, key in enumerate(KEYS)),
    ("status", "<f8", 88),
    ("duration", "<f8", 96),
    ("request", "i1", 104),
    ("failed", "i1", 105),
    ("late", "i1", 106),
    ("repeat", "i1", 107),
    ("stream", "<i8", 112),
    ("network", "<u8", 120),
    ("marks", "<u4", 128),
    ("credential", "<u8", 136),
]
RECORD = np.dtype(
    {"names": [n for n, _, _ in LAYOUT], "formats": [f for _, f, _ in LAYOUT], "offsets": [o for _, _, o in LAYOUT], "itemsize": 144}
)
VIEW = native_view(LAYOUT)
NAMED: dict[int, str] = {}
"""Endpoints of all rows made, by key."""
NAMES = EndpointNames()
NAMES.follow(NAMED.get)


def keyed_hash(text: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") or 1


class FakeBatch(bytes):
    """Rows as bytes, texts beside them."""

    texts: list[dict[str, str]]
    written: dict[int, dict[str, Any]]
    spans: int
    requests: list[bytes]

    def __len__(self) -> int:
        return len(self.texts)

    def text(self, row: int, column: str) -> str | None:
        return self.texts[row].get(column)

    def annotate(self, row: int, attributes: dict[str, Any]) -> None:
        self.written.setdefault(row, {}).update(attributes)

    def encode(self) -> list[bytes]:
        return self.requests

    def secrets(self) -> dict[str, int]:
        return {}


@dataclass
class Row:
    """One request; None and 0 are missing."""

    start: int = 10**18
    took: int = 5_000_000
    trace: bytes = bytes(range(1, 17))
    span: bytes = bytes(range(1, 9))
    service: str = "shop"
    method: str = "GET"
    route: str | None = "/orders/{id}"
    status: float = 200
    user: str | None = "ann"
    client: str | None = "203.0.113.7"
    agent: str = "curl/8"
    session: int = 7
    request: int = 1
    late: int = 0
    repeat: int = 0


def batch_of(rows: Sequence[Row], spans: int | None = None, requests: Sequence[bytes] = ()) -> FakeBatch:
    records = np.zeros(len(rows), RECORD)
    texts = []
    for record, row in zip(records, rows, strict=True):
        known = {"service": row.service, "method": row.method, "route": row.route, "client": row.client, "agent": row.agent}
        text = {key: value for key, value in known.items() if value is not None}
        texts.append(text)
        record["trace_id"], record["span_id"] = np.frombuffer(row.trace, "u1"), np.frombuffer(row.span, "u1")
        record["start"], record["end"] = row.start, row.start + row.took
        record["time"] = record["stream"] = row.start
        record["service"] = keyed_hash(row.service.encode())
        name = f"{row.service} {row.method} {row.route}"
        record["endpoint"] = keyed_hash(name.encode()) if row.route else 0
        NAMED[int(record["endpoint"])] = name
        record["principal"] = keyed_hash(row.user.encode()) if row.user else 0
        record["client"] = keyed_hash(row.client.encode()) if row.client else 0
        record["session"], record["status"], record["duration"] = row.session, row.status, row.took / 1e9
        record["request"], record["late"], record["repeat"] = row.request, row.late, row.repeat
        record["failed"] = 0 if math.isnan(row.status) else 1 if row.status >= 400 else -1
    batch = FakeBatch(records.tobytes())
    batch.texts, batch.written, batch.spans, batch.requests = texts, {}, len(rows) if spans is None else spans, list(requests)
    return batch


@dataclass
class Signal:
    """A raised signal."""

    row: int = 0
    detector: str = "bola_enumeration"
    owasp: str = "API1:2023"
    severity: int = 3
    p: float = 1e-6
    score: float = 0.5
    entity: int = 99
    entity_kind: str = "principal"
    evidence: Mapping[str, tuple[float, float]] = field(default_factory=lambda: {"objects": (41.0, 8.0)})
    sentence: str = "41 objects of shop GET /orders/{id}"
    rank: float = 0.0
    stated: bool = True
    shadow: bool = False


def decode(requests: list[bytes]) -> FakeBatch:
    """SERVER spans of protobuf requests as rows; ValueError when one is none."""
    rows, spans = [], 0
    for request in requests:
        parsed = ExportTraceServiceRequest()
        try:
            parsed.ParseFromString(request)
        except Exception as error:
            raise ValueError(f"offset 0: {error}") from error
        for resource in parsed.resource_spans:
            names = {each.key: each.value.string_value for each in resource.resource.attributes}
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                spans += 1
                if span.kind == 2:
                    rows.append(_row(span, names.get("service.name", "")))
    return batch_of(rows, spans, requests)


def _row(span: Any, service: str) -> Row:
    found = {each.key: each.value for each in span.attributes}

    def text(*keys: str) -> str | None:
        return next((found[key].string_value for key in keys if key in found), None)

    status = [found[key].int_value for key in ("http.status_code", "http.response.status_code") if key in found]
    agent = text("http.user_agent", "user_agent.original") or ""
    return Row(
        start=span.start_time_unix_nano,
        took=span.end_time_unix_nano - span.start_time_unix_nano,
        trace=span.trace_id,
        span=span.span_id,
        service=service,
        method=text("http.method", "http.request.method") or "",
        route=text("http.route"),
        status=status[0] if status else math.nan,
        user=None,
        client=text("net.peer.ip", "client.address"),
        agent=agent,
        session=keyed_hash(agent.encode()),
    )


class FakeEngine:
    """Raises `failing` on every request that failed, scored by its status."""

    def __init__(self) -> None:
        self.constant_key = True
        self.evicted = 0
        self.row_view = VIEW
        self.keyed_hash = keyed_hash
        self.rules: dict[str, Rule] = {}
        self.decide = Decide(DecideSettings(), VIEW, keyed_hash, NAMES)
        self.endpoint_names = NAMES
        self.seen: set[bytes] = set()

    def view(self, batch: SpanBatch) -> Any:
        return VIEW(batch.native)

    def transcode(self, line: bytes) -> bytes:
        return from_json(line)

    def process(self, requests: list[bytes]) -> Judged:
        native = decode(requests)
        batch = SpanBatch(native)
        failed = VIEW(native)["failed"] == 1 if len(native) else np.zeros(0, bool)
        scores = np.where(failed, 0.25, 0.0)
        for row in np.flatnonzero(failed).tolist():
            entity = int(VIEW(native)["session"][row])
            batch.raised.append(Signal(row, "failing", p=1e-3, score=0.25, entity=entity, entity_kind="session", sentence="It failed"))
        self.decide.process(batch)
        return Judged(batch, {"failing": scores, "quiet": np.zeros(len(native))}, np.zeros(len(native), bool))

    def begin(self) -> None:
        pass

    def finish(self) -> Judged | None:
        return None

    def learned(self) -> None:
        self.decide.restart()

    def tallies(self) -> list[Any]:
        return self.decide.policy.tallies()


def from_json(line: bytes) -> bytes:
    """OTLP/JSON as protobuf, by way of protobuf's own JSON with the ids put right."""

    def ids_right(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: base64.b64encode(bytes.fromhex(item)).decode() if key in ("traceId", "spanId", "parentSpanId") else ids_right(item)
                for key, item in value.items()
            }
        return [ids_right(item) for item in value] if isinstance(value, list) else value

    try:
        return json_format.ParseDict(ids_right(json.loads(line)), ExportTraceServiceRequest()).SerializeToString()
    except json_format.ParseError as error:
        raise ValueError(str(error)) from error
