"""Decoding captured requests, their columns, and what leaves."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from apisec_otel import _native
from apisec_otel.spans.columns import RECORD, column, records
from apisec_otel.spans.decode import Decoder
from apisec_otel.spans.encode import encode, merge

DATA = Path(__file__).parents[2] / "data" / "vampi_newhttp_headers.otlp.jsonl.gz"
AGENT = "http.request.header.user_agent"
SPEC = {
    "kinds": [2],
    "missing": ["", "-"],
    "reserved": "apisec.",
    "columns": [
        {"column": "service", "sources": [{"at": "resource", "key": "service.name", "as": "text"}]},
        {"column": "method", "sources": [{"at": "span", "key": "http.request.method", "as": "text"}]},
        {"column": "path", "sources": [{"at": "span", "key": "url.path", "as": "text"}]},
        {"column": "agent", "sources": [{"at": "span", "key": AGENT, "as": "list"}]},
        {"column": "status", "sources": [{"at": "span", "key": "http.response.status_code", "as": "number"}]},
    ],
}


def decoder(**changes: object) -> Decoder:
    return Decoder(_native.Vocabulary(json.dumps(SPEC | changes), bytes(16)))


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    with gzip.open(DATA) as lines:
        return list(lines)


@pytest.fixture(scope="module")
def requests(lines: list[bytes]) -> list[bytes]:
    return [_native.transcode(line) for line in lines]


def test_columns_are_those_of_the_requests(requests: list[bytes]) -> None:
    batch = decoder().decode(requests)
    assert batch.members == len(requests)
    assert 0 < len(batch) <= batch.spans
    assert {batch.text(row, "service") for row in range(len(batch))} == {"vampi"}
    assert set(column(batch, "status").tolist()) <= {200.0, 400.0, 401.0, 404.0, 405.0, 500.0}
    assert len(set(column(batch, "service").tolist())) == 1
    vocabulary = decoder().vocabulary
    assert [vocabulary.hash(batch.text(row, "path") or "") for row in range(len(batch))] == column(batch, "path").tolist()


def test_json_gives_the_same_rows(lines: list[bytes], requests: list[bytes]) -> None:
    assert records(decoder().decode_json(lines)).tobytes() == records(decoder().decode(requests)).tobytes()


def test_rows_say_which_member_they_are_of(requests: list[bytes]) -> None:
    batch = decoder().decode([requests[0], b"", requests[0]])
    assert set(column(batch, "member").tolist()) == {0, 2}


def test_a_merged_request_has_the_rows_of_its_parts(requests: list[bytes]) -> None:
    whole, parts = decoder().decode([merge(requests)]), decoder().decode(requests)
    for name in ("trace_id", "span_id", "path", "method", "start"):
        assert column(whole, name).tolist() == column(parts, name).tolist()


def test_untouched_requests_leave_as_they_came(requests: list[bytes]) -> None:
    assert decoder().decode(requests).encode() == requests


def test_secrets_leave_as_asterisks_of_the_same_length(requests: list[bytes]) -> None:
    batch = decoder(secret_headers=[AGENT]).decode(requests)
    rows = len(batch)
    assert batch.text(0, "agent")
    assert batch.secrets()[AGENT] >= rows
    sent = batch.encode()
    assert [len(request) for request in sent] == [len(request) for request in requests]
    again = decoder(secret_headers=[AGENT]).decode(sent)
    assert again.secrets() == {}
    assert {again.text(row, "agent") for row in range(rows)} == {None}


def test_annotations_stand_on_their_span(requests: list[bytes]) -> None:
    batch = decoder().decode(requests[:1])
    batch.annotate(0, {"apisec.severity": "high", "apisec.risk.score": 70.5})
    batch.annotate(0, {"apisec.severity": "low", "apisec.findings": ["a", "b"], "apisec.sampling.keep": True})
    message = ExportTraceServiceRequest.FromString(batch.encode()[0])
    spans = [span for resource in message.resource_spans for scope in resource.scope_spans for span in scope.spans]
    written = {
        attribute.key: attribute.value
        for span in spans
        if span.span_id == records(batch)[0]["span_id"].tobytes()
        for attribute in span.attributes
        if attribute.key.startswith("apisec.")
    }
    assert list(written) == ["apisec.severity", "apisec.risk.score", "apisec.findings", "apisec.sampling.keep"]
    assert written["apisec.severity"].string_value == "low"
    assert written["apisec.risk.score"].double_value == 70.5
    assert [value.string_value for value in written["apisec.findings"].array_value.values] == ["a", "b"]
    assert written["apisec.sampling.keep"].bool_value is True


def test_parts_are_within_the_limits(requests: list[bytes]) -> None:
    batch = decoder().decode([merge(requests)])
    (parts,) = encode(batch, max_spans=5)
    assert max(decoder().decode([part]).spans for part in parts) <= 5
    assert decoder().decode(parts).spans == batch.spans


def test_spans_over_the_limits_are_counted_and_no_rows(requests: list[bytes]) -> None:
    batch = decoder(limits={"attributes": 1}).decode(requests)
    assert len(batch) == 0
    assert batch.over_limits > 0
    assert batch.encode() == requests


def test_a_record_has_no_gap() -> None:
    assert RECORD.itemsize == sum(RECORD[name].itemsize for name in RECORD.names or ())
    assert np.zeros(1, RECORD)["path_text"].shape == (1, 2)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda batch: batch.text(10**6, "path"), "row 1000000: the batch has"),
        (lambda batch: batch.text(0, "pth"), "pth: no text column"),
        (lambda batch: batch.annotate(10**6, {"a": 1}), "row 1000000: the batch has"),
        (lambda batch: column(batch, "pth"), "pth: no such field of a row"),
        (lambda _: decoder(columns=[{"column": "x", "sources": []}]), "no column x"),
        (lambda _: decoder(kind=[2]), "unknown field `kind`"),
        (lambda _: _native.Vocabulary(json.dumps(SPEC), b"short"), "16 bytes"),
    ],
)
def test_mistakes_are_named(call: object, sentence: str, requests: list[bytes]) -> None:
    batch = decoder().decode(requests)
    with pytest.raises((ValueError, IndexError, KeyError), match=sentence):
        call(batch)  # type: ignore[operator]
