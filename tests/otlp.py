"""OTLP requests in few words: what tests send through decoder, pipeline and replay."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SECOND = 10**9
START = 1_767_225_600 * SECOND
"""2026-01-01, on the hour."""

SERVER = Span.SPAN_KIND_SERVER


def value(of: Any) -> AnyValue:
    """A Python value as an attribute's."""
    if isinstance(of, bool):
        return AnyValue(bool_value=of)
    if isinstance(of, int):
        return AnyValue(int_value=of)
    if isinstance(of, float):
        return AnyValue(double_value=of)
    if isinstance(of, (list, tuple)):
        return AnyValue(array_value=ArrayValue(values=[value(item) for item in of]))
    return AnyValue(string_value=of)


def attributes(of: Mapping[str, Any]) -> list[KeyValue]:
    """Attributes in the order given."""
    return [KeyValue(key=key, value=value(item)) for key, item in of.items()]


def span(
    number: int, of: Mapping[str, Any], *, at: float = 0, took: float = 0.01, kind: Any = SERVER, name: str = "", trace: int | None = None
) -> Span:
    """A span whose ids are its number, `at` seconds after START."""
    start = START + round(at * SECOND)
    return Span(
        trace_id=(trace or number).to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        name=name,
        kind=kind,
        start_time_unix_nano=max(0, start),
        end_time_unix_nano=max(0, start + round(took * SECOND)),
        attributes=attributes(of),
    )


def call(number: int, path: str = "/orders/1", *, at: float = 0, took: float = 0.01, **more: Any) -> Span:
    """A call of GET /orders/{id} as stable names tell it; `user`, `client`, `status`, `route`, `method`, `agent` change it."""
    told = {
        "http.request.method": more.get("method", "GET"),
        "url.path": path,
        "http.route": more.get("route", "/orders/{id}"),
        "http.response.status_code": more.get("status", 200),
        "user.id": more.get("user", "ann"),
        "client.address": more.get("client", "203.0.113.7"),
        "user_agent.original": more.get("agent"),
    }
    return span(number, {key: item for key, item in told.items() if item is not None}, at=at, took=took)


def request(*spans: Span, resource: Mapping[str, Any] | None = None, scope: str = "") -> bytes:
    """One request."""
    made = ExportTraceServiceRequest()
    group = made.resource_spans.add()
    group.resource.attributes.extend(attributes({"service.name": "shop"} if resource is None else resource))
    inner = group.scope_spans.add(spans=spans)
    inner.scope.name = scope
    return made.SerializeToString()


def stored(path: Path, *requests: bytes) -> str:
    """A file of length-delimited requests, as the Collector's file exporter writes them."""
    path.write_bytes(b"".join(len(each).to_bytes(4, "big") + each for each in requests))
    return str(path)
