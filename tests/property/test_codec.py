"""The native codec against the reference in plain Python and protobuf."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
import requests

from apisec_otel import _native
from apisec_otel.spans.columns import records
from apisec_otel.testing.reference import codec as reference

SECRET = bytes(range(16))
NATIVE = _native.Vocabulary(json.dumps(requests.SPEC), SECRET)
REFERENCE = reference.Codec(requests.SPEC, SECRET)
LIMITS = ("nested deeper", "more than")
seeds = st.integers(0, 2**64 - 1).map(Random)


def reference_rows(content: bytes) -> list[dict[str, Any]] | None:
    try:
        return REFERENCE.decode(content)
    except DecodeError:
        return None


def native_batch(content: bytes) -> _native.SpanBatch | str:
    try:
        return _native.decode([content], NATIVE)
    except ValueError as error:
        assert str(error).startswith("offset ")
        return str(error)


def assert_rows_equal(batch: _native.SpanBatch, rows: list[dict[str, Any]]) -> None:
    view = records(batch)
    assert len(view) == len(rows)
    for index, (record, row) in enumerate(zip(view, rows, strict=True)):
        for column in (*reference.TEXTS, "name", "scope"):
            assert batch.text(index, column) == (row[column].decode(errors="replace") if row[column] else None), column
        for name in (*reference.NUMBERS, "duration"):
            assert float(record[name]) == row[name] or (row[name] is None and math.isnan(record[name])), name
        for name in ("trace_id", "span_id", "parent_id"):
            assert record[name].tobytes() == row[name]
        for name in ("start", "end", "kind", "marks"):
            assert record[name] == row[name], name
        for name, identity in row["ids"].items():
            assert record[name] == identity, name


def check(content: bytes) -> None:
    batch, rows = native_batch(content), reference_rows(content)
    if isinstance(batch, str):
        assert rows is None or any(limit in batch for limit in LIMITS), batch
    elif rows is not None:
        assert_rows_equal(batch, rows)
        redacted = reference.Request.FromString(content)
        assert batch.secrets().keys() >= REFERENCE.redact(redacted).keys()
        assert canonical(reference.Request.FromString(batch.encode()[0])) == canonical(redacted)


def canonical(message: Any) -> bytes:
    return bytes(message.SerializeToString(deterministic=True))


@settings(max_examples=400, deadline=None)
@given(seeds)
def test_rows_are_those_of_the_reference(random: Random) -> None:
    check(requests.request(random))


@settings(max_examples=600, deadline=None)
@given(seeds)
def test_mutated_bytes_are_judged_as_by_protobuf(random: Random) -> None:
    check(requests.mutated(random, requests.request(random)))


@settings(max_examples=100, deadline=None)
@given(seeds)
def test_concatenated_requests_are_one(random: Random) -> None:
    parts = [requests.request(random), requests.request(random)]
    whole = _native.decode([b"".join(parts)], NATIVE)
    assert len(whole) == len(_native.decode(parts, NATIVE))
    check(b"".join(parts))


VALUES: list[reference.Value] = ["high", "", 71.5, True, False, 7, -1, ["a", "b"], [], "x" * 200]


@settings(max_examples=400, deadline=None)
@given(seeds)
def test_annotated_requests_are_those_of_the_reference(random: Random) -> None:
    content = requests.request(random)
    batch = _native.decode([content], NATIVE)
    keys = ["apisec.severity", "apisec.old", "apisec.new", "other", "h.cookie"]
    annotations = {
        row: {key: random.choice(VALUES) for key in random.sample(keys, random.randint(1, 4))}
        for row in range(len(batch))
        if random.random() < 0.5
    }
    for row, attributes in annotations.items():
        batch.annotate(row, attributes)
    sent = batch.encode()[0]
    assert canonical(reference.Request.FromString(sent)) == canonical(REFERENCE.encode(content, annotations))
    if not annotations and not batch.secrets():
        assert sent == content


def no_secrets(random: Random) -> bytes:
    """A request as the bytes that leave when nothing more is to be overwritten."""
    return _native.decode([requests.request(random)], NATIVE).encode()[0]


@settings(max_examples=300, deadline=None)
@given(seeds)
def test_only_the_annotated_span_and_the_lengths_around_it_change(random: Random) -> None:
    content = no_secrets(random)
    batch = _native.decode([content], NATIVE)
    assert batch.secrets() == {}
    assert batch.encode() == [content]
    if not len(batch):
        return
    row = random.randrange(len(batch))
    batch.annotate(row, {"apisec.added": "x" * random.choice([1, 50, 300])})
    sent = batch.encode()[0]
    record = records(batch)[row]
    assert sent.endswith(content[record["end_at"] :])
    assert sent[: record["resource_prefix"]] == content[: record["resource_prefix"]]
    assert content[record["at"] : record["end_at"]] in sent
    again = records(_native.decode([sent], NATIVE))
    if len(again) < len(batch):  # one attribute more was one too many to be analysed
        return
    for name in ("trace_id", "start", "path", "query", "status"):
        assert again[name].tobytes() == records(batch)[name].tobytes()


@settings(max_examples=300, deadline=None)
@given(seeds)
def test_parts_have_every_span_once_and_in_order(random: Random) -> None:
    content = b"".join(requests.request(random) for _ in range(3))
    max_spans, max_bytes = random.randint(1, 9), random.choice([1, 100, 1000, 5000, 10**6])
    parts = _native.split(content, max_spans, max_bytes)
    messages = [reference.Request.FromString(part) for part in parts]
    assert reference.spans(messages) == reference.spans([reference.Request.FromString(content)])
    counts = [_native.decode([part], NATIVE).spans for part in parts]
    if max_bytes == 10**6:
        assert max(counts) <= max_spans
    assert len(parts) == 1 or all(counts)
    assert sum(map(len, parts)) <= 4 * len(content) + len(parts) * max_bytes


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\x0a\xff\xff\xff\xff\x0f", "offset 1: length 4294967295 past the end (6)"),
        (b"\x0a", "offset 1: ends inside a field"),
        (b"\x80" * 11, "offset 0: varint longer than 10 bytes"),
        (b"\x0f", "offset 1: wire type 7 does not exist"),
        (b"\x9c\x01", "offset 2: end of group 19, which is not open"),
        (b"\x9b\x01" * 100, "offset 130: nested deeper than 64"),
        (b"\x00\x00", "offset 1: tag 0 names no field"),
    ],
)
def test_what_is_wrong_is_named_with_its_offset(content: bytes, sentence: str) -> None:
    assert native_batch(content) == sentence


def test_spans_are_capped() -> None:
    content = b"\x0a\x06\x12\x04\x12\x00\x12\x00"
    assert _native.decode([content], NATIVE, 2).spans == 2
    with pytest.raises(ValueError, match="more than 1 spans"):
        _native.decode([content], NATIVE, 1)


def test_arrays_nested_too_deep_are_refused() -> None:
    value = b"\x0a\x01x"
    for _ in range(40):
        inner = requests.field(Random(1), 1, value)
        value = requests.field(Random(1), 5, inner)
    content = value
    for number in (2, 9, 2, 2, 1):
        content = requests.field(Random(1), number, content)
    assert "nested deeper than 64" in str(native_batch(content))


def test_a_view_outlives_its_batch() -> None:
    content = requests.request(Random(5))
    fields = records(_native.decode([content], NATIVE))["span_id"]
    before = fields.tobytes()
    for _ in range(50):
        _native.decode([content + content], NATIVE)
    assert before and fields.tobytes() == before
    assert not fields.flags.writeable
