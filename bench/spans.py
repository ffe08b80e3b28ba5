"""Spans of one small shop, as its instrumentation would send them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

LASTS: Final = 10_000_000
"""Nanoseconds from a request's start to its end."""


def answered(number: int, start: int, told: Mapping[str, str]) -> Span:
    """A request that was answered with 200, from `start` (ns) on; texts that are empty are left out."""
    attributes = [_text(key, text) for key, text in told.items() if text]
    attributes.append(KeyValue(key="http.response.status_code", value=AnyValue(int_value=200)))
    return Span(
        trace_id=number.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=start,
        end_time_unix_nano=start + LASTS,
        attributes=attributes,
    )


def exported(spans: Sequence[Span], version: str = "") -> bytes:
    """One export request of the service, of a version where one is given."""
    made = ExportTraceServiceRequest()
    group: Any = made.resource_spans.add()
    group.resource.attributes.append(_text("service.name", "shop"))
    if version:
        group.resource.attributes.append(_text("service.version", version))
    group.scope_spans.add(spans=spans)
    return made.SerializeToString()


def _text(key: str, text: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=text))
