"""OTLP/JSON out of protobuf: right ids, and nothing that breaks it."""

import base64
import json

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from apisec_otel.exporters.otlp_json import to_json

TRACE, SPAN = bytes(range(16)), bytes(range(8))


def request(**span) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=[Span(**span)])])])


def written(payload: bytes):
    return json.loads(to_json("traces", payload))["resourceSpans"][0]["scopeSpans"][0]["spans"][0]


def test_ids_are_hexadecimal_enums_numbers_and_long_integers_strings():
    span = written(request(trace_id=TRACE, span_id=SPAN, kind=2, start_time_unix_nano=10**18, flags=256).SerializeToString())
    assert span == {"traceId": TRACE.hex(), "spanId": SPAN.hex(), "kind": 2, "startTimeUnixNano": str(10**18), "flags": 256}


def test_values_of_every_kind():
    values = [
        AnyValue(string_value="é"),
        AnyValue(bool_value=False),
        AnyValue(int_value=-5),
        AnyValue(double_value=0.5),
        AnyValue(double_value=float("nan")),
        AnyValue(bytes_value=b"\xff"),
        AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=0)])),
        AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="k", value=AnyValue(string_value=""))])),
        AnyValue(),
    ]
    span = written(request(attributes=[KeyValue(key="a", value=value) for value in values]).SerializeToString())
    assert [pair["value"] for pair in span["attributes"]] == [
        {"stringValue": "é"},
        {"boolValue": False},
        {"intValue": "-5"},
        {"doubleValue": 0.5},
        {"doubleValue": "NaN"},
        {"bytesValue": base64.b64encode(b"\xff").decode()},
        {"arrayValue": {"values": [{"intValue": "0"}]}},
        {"kvlistValue": {"values": [{"key": "k", "value": {"stringValue": ""}}]}},
        {},
    ]


def test_invalid_utf8_costs_nobody_else():
    payload = request(name="xx").SerializeToString().replace(b"xx", b"\xff\xfe")
    assert written(payload)["name"] == "\ufffd\ufffd"


def test_metrics_and_logs():
    metrics = json_format.Parse(
        '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","histogram":{"aggregationTemporality":2,"dataPoints":['
        '{"count":"3","sum":1.5,"bucketCounts":["1","2"],"explicitBounds":[0.5]}]}}]}]}]}',
        ExportMetricsServiceRequest(),
    )
    (point,) = json.loads(to_json("metrics", metrics.SerializeToString()))["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0][
        "histogram"
    ]["dataPoints"]
    assert point == {"count": "3", "sum": 1.5, "bucketCounts": ["1", "2"], "explicitBounds": [0.5]}
    logs = ExportLogsServiceRequest()
    logs.resource_logs.add().scope_logs.add().log_records.add(trace_id=TRACE, severity_number=9, event_name="e")
    (record,) = json.loads(to_json("logs", logs.SerializeToString()))["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    assert record == {"traceId": TRACE.hex(), "severityNumber": 9, "eventName": "e"}


def test_merged_requests_are_one_request():
    one = request(name="a").SerializeToString()
    assert len(json.loads(to_json("traces", one + one))["resourceSpans"]) == 2


def test_nesting_is_refused_beyond_a_depth():
    value = AnyValue(int_value=1)
    payload = value.SerializeToString()
    for _ in range(200):
        inner = b"\x0a" + _varint(len(payload)) + payload
        payload = b"\x2a" + _varint(len(inner)) + inner
    attribute = b"\x12" + _varint(len(payload)) + payload
    for tag in (b"\x4a", b"\x12", b"\x12", b"\x0a"):
        attribute = tag + _varint(len(attribute)) + attribute
    with pytest.raises(ValueError, match=r"offset .* nested deeper"):
        to_json("traces", attribute)


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


@given(st.data())
def test_whatever_comes_it_is_json_or_a_value_error(data):
    payload = bytearray(
        request(trace_id=TRACE, name="n", attributes=[KeyValue(key="a", value=AnyValue(int_value=300))]).SerializeToString()
    )
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        json.loads(to_json("traces", bytes(payload)))
    except ValueError as error:
        reason = str(error)
        assert "offset" in reason
