"""Spans to send, each recognisable by its id; and spans read back, from bytes or from a file exporter's file."""

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

Value = str | int | float | bool | list[str]
KINDS: dict[str, tuple[str, type[Any]]] = {
    "traces": ("resourceSpans", ExportTraceServiceRequest),
    "logs": ("resourceLogs", ExportLogsServiceRequest),
    "metrics": ("resourceMetrics", ExportMetricsServiceRequest),
}
IDS = ("traceId", "spanId", "parentSpanId")


def any_value(value: Value) -> AnyValue:
    """The OTLP form of a Python value."""
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[any_value(each) for each in value]))
    return AnyValue(string_value=value)


def attributes(values: dict[str, Value]) -> list[KeyValue]:
    """Attributes in the order of the dict."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]


def request_span(number: int, now: int, **more: Value) -> Span:
    """The SERVER span of an order that user `number % 7` read; `more` uses `__` for the dots of a key."""
    order = 1000 + number % 7
    values: dict[str, Value] = {
        "http.request.method": "GET",
        "http.route": "/orders/{order_id}",
        "url.path": f"/orders/{order}",
        "url.scheme": "http",
        "http.response.status_code": 200,
        "client.address": f"203.0.113.{1 + number % 7}",
        "user_agent.original": "shop-app/1.0",
        "user.id": f"user-{number % 7}",
    }
    values |= {key.replace("__", "."): value for key, value in more.items()}
    start = now + number * 1_000_000
    return Span(
        trace_id=(number + 1).to_bytes(16, "big"),
        span_id=(number + 1).to_bytes(8, "big"),
        name="GET /orders/{order_id}",
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=start,
        end_time_unix_nano=start + 5_000_000,
        attributes=attributes(values),
    )


def child_span(parent: Span) -> Span:
    """A database call inside a request."""
    return Span(
        trace_id=parent.trace_id,
        span_id=bytes([0xC0]) + parent.span_id[1:],
        parent_span_id=parent.span_id,
        name="SELECT",
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=parent.start_time_unix_nano + 1_000_000,
        end_time_unix_nano=parent.end_time_unix_nano - 1_000_000,
        attributes=attributes({"db.system.name": "sqlite", "db.query.text": "SELECT * FROM orders WHERE id = ?"}),
    )


def traces(spans: Iterable[Span], service: str = "shop") -> ExportTraceServiceRequest:
    """One request with these spans."""
    resource = Resource(attributes=attributes({"service.name": service, "deployment.environment.name": "test"}))
    scoped = ScopeSpans(spans=spans)
    scoped.scope.name = "e2e"
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=resource, scope_spans=[scoped])])


def batch(first: int, count: int, now: int) -> ExportTraceServiceRequest:
    """A request with spans number `first` to `first + count - 1`, each with a child, starting at `now` ns."""
    parents = [request_span(number, now) for number in range(first, first + count)]
    return traces([span for parent in parents for span in (parent, child_span(parent))])


def spans_of(requests: Iterable[ExportTraceServiceRequest]) -> Iterator[Span]:
    """All spans, in order."""
    for request in requests:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                yield from scope.spans


def parse(bodies: Iterable[bytes]) -> list[ExportTraceServiceRequest]:
    """Requests from their bytes."""
    return [ExportTraceServiceRequest.FromString(body) for body in bodies]


def key(span: Span) -> str:
    """Trace id and span id in hexadecimal."""
    return f"{span.trace_id.hex()}:{span.span_id.hex()}"


def plain(span: Span) -> bytes:
    """A span's content in a form that compares equal: the Collector writes an empty status where there was none."""
    same = Span()
    same.CopyFrom(span)
    if not (same.status.code or same.status.message):
        same.ClearField("status")
    return same.SerializeToString(deterministic=True)


def read_file(path: Path, signal: str = "traces") -> list[Any]:
    """The requests of a signal in a file of OTLP/JSON lines; a last line still being written is left out."""
    field, message = KINDS[signal]
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    loaded = (json.loads(line) for line in lines if line)
    return [ParseDict(_base64_ids(each), message()) for each in loaded if field in each]


def from_json(body: bytes) -> ExportTraceServiceRequest:
    """A request from OTLP/JSON."""
    request: ExportTraceServiceRequest = ParseDict(_base64_ids(json.loads(body)), ExportTraceServiceRequest())
    return request


def _base64_ids(node: Any) -> Any:
    """OTLP/JSON writes ids in hexadecimal, where protobuf's own JSON has base64."""
    if isinstance(node, list):
        return [_base64_ids(each) for each in node]
    if isinstance(node, dict):
        return {name: _as_base64(each) if name in IDS else _base64_ids(each) for name, each in node.items()}
    return node


def _as_base64(text: str) -> str:
    return base64.b64encode(bytes.fromhex(text)).decode()


def values(span: Any) -> dict[str, Any]:
    """Attributes of a span or log record as Python values."""
    return {each.key: _value(each.value) for each in span.attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None


def attack(first: int, count: int, now: int) -> ExportTraceServiceRequest:
    """One user reads `count` orders, each another id: what bola_enumeration is there for."""
    numbers = range(first, first + count)
    return traces(
        [request_span(n, now, user__id="mallory", url__path=f"/orders/{2000 + n}", client__address="192.0.2.66") for n in numbers]
    )


def secretive(number: int, now: int) -> ExportTraceServiceRequest:
    """A request with a token in a header and one in its query."""
    header = {"http__request__header__authorization": ["Bearer very-secret-token"]}
    return traces([request_span(number, now, url__query="page=2&token=very-secret-too", **header)])
