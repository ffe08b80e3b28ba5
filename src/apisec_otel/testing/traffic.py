"""Requests for checks: those of ordinary services, those without any API request, and those that wish harm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from apisec_otel.errors import RefusedError
from apisec_otel.spans.batch import NativeBatch, SpanBatch

START = 1_767_225_600 * 10**9
"""2026-01-01, on the hour; ns."""
_SECOND = 10**9
_SERVER, _CLIENT = Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT


@dataclass
class Delivery:
    """Spans for a pipeline, and how their sender was answered."""

    native: NativeBatch
    answer: str = ""
    batch: SpanBatch = field(init=False)

    def __post_init__(self) -> None:
        self.batch = SpanBatch(self.native)

    def accept(self) -> None:
        """The sender hears success."""
        self.answer += "accepted"

    def refuse(self, refusal: RefusedError) -> None:
        """The sender hears why not."""
        self.answer += f"refused: {refusal}"


def traffic() -> list[bytes]:
    """Half an hour of users, guests, logins, health checks, assets, RPC, old and new names, mistakes and inner spans."""
    return [_request(list(_visit(number))) for number in range(60)]


def _visit(number: int) -> list[Span]:
    user = f"user{number % 7}"
    new = {"http.request.method": "GET", "http.response.status_code": 200, "client.address": f"203.0.{number % 5}.7", "user.id": user}
    old = {"http.method": "GET", "http.target": f"/items/{number}?page=2", "http.status_code": 404, "http.user_agent": "curl/8.5"}
    login = {"http.request.method": "POST", "http.route": "/login", "url.path": "/login", "http.response.status_code": 401 - number % 2}
    token = {"http.request.header.authorization": f"Bearer token-of-{number % 3}", "user_agent.original": "app/1"}
    calls: list[Mapping[str, Any]] = [
        {**new, "http.route": "/orders/{id}", "url.path": f"/orders/{number}", "user.roles": "admin", "server.address": "api:443"},
        old,
        {**login, "client.address": "198.51.100.9"},
        {**new, **token, "url.path": f"/static/app{number}.css", "url.scheme": "https", "http.response.body.size": 512},
        {"http.request.method": "GET", "url.path": "/healthz", "http.route": "/healthz", "http.response.status_code": 200},
        {**new, "url.path": "/robots.txt", "http.response.status_code": 404, "http.request.header.x-forwarded-for": "192.0.2.1, 10.0.0.1"},
        {"rpc.system": "grpc", "rpc.service": "Cart", "rpc.method": "Add", "rpc.grpc.status_code": number % 3, "error.type": "timeout"},
        {"http.request.method": "GET", "url.path": f"/a/{number}/b/{number}/c", "url.query": f"order_id={number}"},
    ]
    first = 10 * number + 1
    spans = [_span(first + at, each, 30 * number + at, _SERVER) for at, each in enumerate(calls)]
    return [*spans, _span(first + 9, {"db.system": "sqlite"}, 30 * number + 8, _CLIENT)]


def quiet() -> list[bytes]:
    """No API request: inner spans, spans of messages, none at all."""
    inner = [_span(900_001, {"db.system": "sqlite"}, 0, _CLIENT), _span(900_002, {"messaging.system": "kafka"}, 1, Span.SPAN_KIND_CONSUMER)]
    return [b"", _request([]), _request(inner), _request([_span(900_003, {}, 2, _SERVER)])]


def hostile() -> list[bytes]:
    """Wild times, no ids, the same ids again, texts that are no UTF-8 or very long, attributes of wrong kinds or by the thousand."""
    named = {"http.request.method": "GET", "url.path": "/orders/1", "http.route": "/orders/{id}", "user.id": "ann"}
    wrong = {
        "http.request.method": 7,
        "url.path": 1.5,
        "http.route": True,
        "http.response.status_code": "no",
        "client.address": "\x00\u202e",
    }
    spans = [
        _span(910_001, named, 0, _SERVER, start=0, end=0),
        _span(910_002, named, 0, _SERVER, start=(1 << 64) - 1, end=(1 << 64) - 1),
        _span(910_003, named, 0, _SERVER, start=START + 5 * _SECOND, end=START),
        _span(0, named, 1, _SERVER),
        _span(910_004, named, 2, _SERVER),
        _span(910_004, {**named, "user.id": "bob"}, 3, _SERVER),
        _span(910_005, wrong, 4, _SERVER),
        _span(910_006, {**named, "url.path": "/" + "x/" * 20_000, "user_agent.original": "y" * 100_000}, 5, _SERVER),
        _span(910_007, named | {f"a{number}": number for number in range(2_000)}, 6, _SERVER),
        _span(910_008, {**named, "url.path": "/%ff%00/../..//;x?y#z", "http.request.header.authorization": "****"}, 7, _SERVER),
    ]
    broken = _request([_span(910_009, {**named, "url.path": "/QQQQ", "user.id": "QQQQ"}, 8, _SERVER)]).replace(b"QQQQ", b"\xff\xfe\xc0\x80")
    return [_request([each]) for each in spans] + [_request(spans), broken]


def _request(spans: list[Span]) -> bytes:
    made = ExportTraceServiceRequest()
    group = made.resource_spans.add()
    resource = {"service.name": "shop", "service.version": "1.4", "deployment.environment.name": "prod"}
    group.resource.attributes.extend(_attributes(resource))
    group.scope_spans.add(spans=spans)
    return made.SerializeToString()


def _span(number: int, of: Mapping[str, Any], at: float, kind: Any, *, start: int | None = None, end: int | None = None) -> Span:
    begun = START + round(at * _SECOND) if start is None else start
    return Span(
        trace_id=number.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        kind=kind,
        start_time_unix_nano=begun,
        end_time_unix_nano=begun + 12_000_000 if end is None else end,
        attributes=_attributes(of),
    )


def _attributes(of: Mapping[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in of.items()]


def _value(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value)
