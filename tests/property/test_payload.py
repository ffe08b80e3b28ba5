"""What requests say: the native step against the oracle, request by request, under any cut and over a restart."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.otlp import attributes, span

from apisec_otel import _native, semconv
from apisec_otel.component import Host
from apisec_otel.processors.endpoints import Endpoints
from apisec_otel.processors.payloads import Payloads
from apisec_otel.processors.requests import Requests
from apisec_otel.processors.sessions import Sessions
from apisec_otel.spans.batch import SpanBatch
from apisec_otel.spans.columns import records
from apisec_otel.spans.syntax import syntax_json
from apisec_otel.testing.reference.payload import Model, Sent

VALUES = (
    "7",
    "12",
    "999",
    "red",
    "blue shoes",
    "o'neill",
    "a+b",
    "x~y",
    "%41%42",
    "2-1",
    "ä",
    "%00",
    "",
    "A-9",
    "0" * 40,
    "../../etc/passwd",
)
ODD = ("1' or '1'='1' --", "<script>alert(1)</script>", "${jndi:ldap://x}", "zz|zz", "q\tq", "é" * 30, "%2527", "b" * 300)
NAMES = ("id", "page", "q", "sort", "filter[a]", "we~ird", "x")
WORDS = ("orders", "items", "users", "me", "a", "b", "c")


class Steps:
    """One process's steps up to the payloads'."""

    def __init__(self) -> None:
        self.words = _native.Vocabulary(semconv.vocabulary_json(), bytes(range(16)))
        host = Host(vocabulary=self.words)
        self.steps: list[Any] = [kind().build(host) for kind in (Requests, Endpoints, Sessions, Payloads)]

    def take(self, requests: list[bytes]) -> Any:
        batch = SpanBatch(_native.decode(requests, self.words))
        for step in self.steps:
            step.process(batch)
        return records(batch.native)


def drawn(chance: random.Random, count: int) -> list[dict[str, Any]]:
    """Requests that mostly say the usual."""
    told, at = [], 0.0
    version = "1"
    for _ in range(count):
        at += chance.choice((0, 0.01, 0.3, 1.0))
        version = str(int(version) + 1) if chance.random() < 0.01 else version
        pairs = [(name, chance.choice(ODD if chance.random() < 0.05 else VALUES[:6])) for name in NAMES[:2]]
        if chance.random() < 0.2:
            pairs += [(chance.choice(NAMES), chance.choice(VALUES)) for _ in range(chance.randint(0, 3))]
        path = [chance.choice(WORDS[:2]), *([str(chance.randint(1, 99))] if chance.random() < 0.6 else [])]
        if chance.random() < 0.1:
            path.append(chance.choice((*WORDS, *VALUES)).replace("/", "%2f"))
        one = {"at": at, "version": version, "service": chance.choice(("shop", "bank")), "path": "/" + "/".join(path)}
        one["query"] = "&".join(f"{name}={value}" for name, value in pairs)
        one["route"] = chance.choice(("/orders/{id}", ""))
        one["user"] = chance.choice(("ann", "ben", "eve", ""))
        one["agent"] = chance.choice(("shop/1.0", "shop/1.1", chance.choice(ODD)))
        if chance.random() < 0.3:
            one["body"] = json.dumps({"a": chance.randint(1, 9), "b": [chance.choice(VALUES), {"c": True}], "d": chance.choice(ODD)})
        if chance.random() < 0.3:
            one["referer"] = chance.choice(VALUES)
        told.append(one)
    return told


def sent(number: int, one: dict[str, Any]) -> bytes:
    """As OTLP."""
    keys = {
        "http.request.method": "GET",
        "url.path": one["path"],
        "url.query": one["query"],
        "http.route": one["route"],
        "http.response.status_code": 200,
        "user.id": one["user"],
        "client.address": "203.0.113.7",
        "http.request.body.content": one.get("body", ""),
        "http.request.header.referer": one.get("referer", ""),
        "user_agent.original": one["agent"],
    }
    made = ExportTraceServiceRequest()
    group = made.resource_spans.add()
    group.resource.attributes.extend(attributes({"service.name": one["service"], "service.version": one["version"]}))
    group.scope_spans.add(spans=[span(number, {key: value for key, value in keys.items() if value != ""}, at=one["at"])])
    return made.SerializeToString()


def asked(row: Any, one: dict[str, Any]) -> Sent:
    """The same request for the oracle, with the ids that the product gave it."""
    teacher = next((int(row[name]) for name in ("principal", "session", "client") if row[name]), 0)
    return Sent(
        stream=int(row["stream"]),
        service=int(row["service"]),
        endpoint=int(row["endpoint"]),
        teacher=teacher,
        version=int(row["version"]),
        late=row["late"] == 1,
        path=one["path"].encode(),
        query=one["query"].encode(),
        agent=one["agent"].encode(),
        headers=((b"referer", one["referer"].encode()),) if one.get("referer") else (),
        body=one.get("body", "").encode(),
    )


def columns(rows: Any) -> list[tuple[float, float, float]]:
    return list(zip(*(rows[f"payload_{name}"].tolist() for name in ("p", "score", "usual")), strict=True))


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**32), count=st.sampled_from([1, 60, 500, 900]))
def test_native_is_the_oracle_however_it_is_cut(seed: int, count: int) -> None:
    chance = random.Random(seed)
    told = drawn(chance, count)
    requests = [sent(number, one) for number, one in enumerate(told, 1)]
    cuts = sorted({0, count, *(chance.randint(0, count) for _ in range(8))})
    native = Steps()
    rows = np.concatenate([native.take(requests[start:end]) for start, end in zip(cuts, cuts[1:], strict=False)])
    model = Model(native.words.hash, syntax_json())
    for at, (row, one, seen) in enumerate(zip(rows, told, columns(rows), strict=True)):
        said = model.take(asked(row, one))
        assert seen == pytest.approx((said.p, said.score, said.usual), rel=1e-9), f"request {at}: {one}"


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**32))
def test_a_restart_changes_nothing(seed: int) -> None:
    chance = random.Random(seed)
    told = [sent(number, one) for number, one in enumerate(drawn(chance, 400), 1)]
    cut = chance.randint(0, 400)
    whole, first, second = Steps(), Steps(), Steps()
    expected = columns(np.concatenate([whole.take(told[:cut] or told[:1]), whole.take(told[cut:] or told[-1:])]))
    found = columns(first.take(told[:cut] or told[:1]))
    for before, after in zip(first.steps, second.steps, strict=True):
        assert after.restore(list(before.snapshot())) == []
    found += columns(second.take(told[cut:] or told[-1:]))
    np.testing.assert_array_equal(found, expected)
