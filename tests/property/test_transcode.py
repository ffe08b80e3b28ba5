"""OTLP/JSON: the native reader against the reference, over written and captured requests."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from apisec_otel import _native
from apisec_otel.testing.reference.transcode import transcode

DATA = Path(__file__).parent.parent / "data"
seeds = st.integers(0, 2**64 - 1).map(Random)


def canonical(message: Any) -> bytes:
    return bytes(message.SerializeToString(deterministic=True))


def native(document: bytes) -> bytes:
    return canonical(type(transcode(b"{}")).FromString(_native.transcode(document)))


def any_value(random: Random, depth: int = 0) -> dict[str, Any]:
    choices: list[dict[str, Any]] = [
        {"stringValue": random.choice(["", "a", 'q"\\/\n\u0001é😀', "x" * 200])},
        {"intValue": random.choice([5, "5", "-9223372036854775808", 9223372036854775807, 0])},
        {"doubleValue": random.choice([1.5, "2.5", "NaN", "-Infinity", 3, 1e300])},
        {"boolValue": random.choice([True, False])},
        {"bytesValue": base64.b64encode(random.randbytes(random.randrange(5))).decode()},
        {},
        {"stringValue": None},
    ]
    if depth < 3:
        choices.append({"arrayValue": {"values": [any_value(random, depth + 1) for _ in range(random.randrange(3))]}})
        choices.append({"kvlistValue": {"values": [attribute(random, depth + 1) for _ in range(random.randrange(3))]}})
        choices.append({"arrayValue": {}})
    return random.choice(choices)


def attribute(random: Random, depth: int = 0) -> dict[str, Any]:
    return {"key": random.choice(["a", "url.path", "é"]), "value": any_value(random, depth)}


def span(random: Random) -> dict[str, Any]:
    cased = random.choice([str.upper, str.lower])
    return {
        "traceId": random.choice([cased(random.randbytes(16).hex()), ""]),
        "spanId": cased(random.randbytes(8).hex()),
        "parentSpanId": random.choice(["", None, random.randbytes(8).hex()]),
        "name": random.choice(["GET /", ""]),
        "kind": random.choice([2, "SPAN_KIND_SERVER", "SPAN_KIND_NONE", "3", 0]),
        "startTimeUnixNano": random.choice([10**18, str(10**18 + 7), 0, "18446744073709551615"]),
        "attributes": [attribute(random) for _ in range(random.randrange(4))],
        "events": [{"timeUnixNano": "5", "name": "e", "attributes": [attribute(random)]}],
        "links": [{"traceId": "", "flags": 1}],
        "status": random.choice([{}, {"code": "STATUS_CODE_ERROR", "message": "m"}, {"code": 2}, None]),
        "flags": 769,
        "droppedAttributesCount": random.choice([0, "3"]),
        "later": random.choice([{"a": [1, {"b": '}"'}]}, [], "]", 1.5e-3, True, None]),
    }


def snake(content: Any) -> Any:
    """The same with every key in snake_case."""
    if isinstance(content, list):
        return [snake(element) for element in content]
    if isinstance(content, dict):
        return {re.sub("[A-Z]", lambda letter: "_" + letter[0].lower(), key): snake(value) for key, value in content.items()}
    return content


@settings(max_examples=300, deadline=None)
@given(seeds)
def test_written_requests_are_read_as_by_the_reference(random: Random) -> None:
    scope = {"scope": {"name": "s", "attributes": [attribute(random)]}, "spans": [span(random) for _ in range(random.randrange(4))]}
    resource = {"attributes": [attribute(random)], "entityRefs": [{"type": "host", "idKeys": ["a", "b"]}]}
    content: Any = {"resourceSpans": [{"resource": resource, "scopeSpans": [scope], "schemaUrl": "u"}], "other": []}
    content = snake(content) if random.random() < 0.3 else content
    document = json.dumps(content, ensure_ascii=random.random() < 0.5, indent=random.choice([None, 2])).encode()
    assert native(document) == canonical(transcode(document))


@pytest.mark.parametrize("path", sorted(DATA.glob("*.otlp.jsonl.gz")), ids=lambda path: path.name)
def test_captured_requests_are_read_as_by_the_reference(path: Path) -> None:
    for line in gzip.open(path):
        assert native(line) == canonical(transcode(line))


@settings(max_examples=500, deadline=None)
@given(seeds)
def test_no_bytes_crash_the_reader(random: Random) -> None:
    document = bytearray(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span(random)]}]}]}).encode())
    for _ in range(random.randint(1, 5)):
        document[random.randrange(len(document))] = random.choice(b'{}[]",:\\u0n9e- \xff')
    try:
        request = _native.transcode(bytes(document))
    except ValueError as error:
        assert str(error).startswith("offset ")
    else:
        assert json_format.MessageToDict(type(transcode(b"{}")).FromString(request)) is not None


ONE = '{"resourceSpans":[{"scopeSpans":[{"spans":[%s]}]}]}'


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("", "offset 0: an object is wanted"),
        ("{", "offset 1: a string is wanted"),
        ("{} x", "offset 3: more behind the request"),
        (ONE % '{"traceId":"ab"}', "an id of the wrong length"),
        (ONE % '{"traceId":"%s"}' % ("g" * 32), "an id that is not hexadecimal"),
        (ONE % '{"startTimeUnixNano":-1}', "a whole number in range is wanted"),
        (ONE % '{"kind":{}}', "a number is wanted"),
        (ONE % '{"attributes":{}}', "an array is wanted"),
        (ONE % '{"name":"a', "a string that does not end"),
        (ONE % ('{"attributes":[{"value":' + '{"arrayValue":{"values":[' * 50), "nested deeper than 64"),
        ('{"unknown":' + "[" * 1000, "nested deeper than 256"),
    ],
)
def test_what_is_wrong_is_said(document: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        _native.transcode(document.encode())


def test_an_empty_object_is_an_empty_request() -> None:
    assert _native.transcode(b"\xef\xbb\xbf {} ") == b""
    assert ExportTraceServiceRequest.FromString(_native.transcode(b'{"resourceSpans":[null]}')).resource_spans[0].ByteSize() == 0
