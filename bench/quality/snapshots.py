"""Snapshots of state that is full: how long the engine pauses for a shard, how many bytes it comes to, how soon it is back.

A million requests, each of a user and a client of its own on one of 20,000 endpoints, fill to their caps: sessions, the memory
of requests, names, and of the plan the tables that such requests count in.
"""

from __future__ import annotations

import gc
import time
from statistics import quantiles
from typing import Any, Final

import numpy as np
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from apisec_otel import _native
from apisec_otel.assembly import native_rows, native_vocabulary, vocabulary_of
from apisec_otel.cli.options import packaged
from apisec_otel.component import Host, Keeps
from apisec_otel.config import read
from apisec_otel.findings.severity import Level
from apisec_otel.processors.decide import Decide
from apisec_otel.snapshots.frames import Frame
from apisec_otel.snapshots.parts import copied, given
from apisec_otel.spans.batch import SpanBatch

START: Final = 1_767_225_600 * 10**9
PER_REQUEST: Final = 4_000
REQUESTS: Final = 250
NAMES: Final = {
    "decide": "`decide`: findings shown, risk",
    "detect": "`detect`: tables, windows, flags",
    "sessions": "`sessions`",
    "endpoints": "`endpoints`: names, spellings",
    "requests": "`requests`: spans seen, time",
}


def parts() -> dict[str, Any]:
    """The processors of the default configuration, each with nothing in it."""
    config = read([str(packaged("default"))], [])
    host = Host(vocabulary=native_vocabulary(vocabulary_of(config, bytes(range(16)))), view=native_rows())
    (pipeline,) = [each for each in config.pipelines if str(each.id) == "traces"]
    return {each.id.type: each.settings.build(host) for each in pipeline.processors if each.id.type != "memory_limiter"} | {"host": host}


class Flood:
    """Requests of one shape whose ids, users, clients and routes are written into the bytes."""

    def __init__(self) -> None:
        made = ExportTraceServiceRequest()
        scope = made.resource_spans.add().scope_spans.add()
        made.resource_spans[0].resource.attributes.append(_text("service.name", "shop"))
        scope.spans.extend(_span(number) for number in range(PER_REQUEST))
        self._bytes = np.frombuffer(made.SerializeToString(), np.uint8).copy()
        self._places = [_places(self._bytes.tobytes(), mark) for mark in (b"TRACE", b"USER_", b"CLIE_", b"ROUTE")]

    def request(self, number: int) -> bytes:
        """The request of a number."""
        trace, user, client, route = self._places
        rows = np.arange(number * PER_REQUEST, (number + 1) * PER_REQUEST)
        for places, values in ((trace, rows), (user, rows), (client, rows), (route, rows % 20_000)):
            for digit in range(8):
                self._bytes[places + 5 + digit] = ord("a") + (values >> 4 * digit) % 16
        return self._bytes.tobytes()


def _span(number: int) -> Span:
    values = {
        "http.request.method": "GET",
        "http.route": "/ROUTE________/{id}",
        "url.path": f"/x/{number}",
        "user.id": "USER_________",
        "client.address": "CLIE_________",
    }
    status = KeyValue(key="http.response.status_code", value=AnyValue(int_value=200))
    return Span(
        trace_id=b"TRACE___________",
        span_id=number.to_bytes(8, "big"),
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=START + number * 10**5,
        end_time_unix_nano=START + number * 10**5 + 10**6,
        attributes=[*(_text(key, value) for key, value in values.items()), status],
    )


def _text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def _places(data: bytes, mark: bytes) -> np.ndarray[Any, np.dtype[np.intp]]:
    found, at = [], data.find(mark)
    while at >= 0:
        found.append(at)
        at = data.find(mark, at + 1)
    assert len(found) == PER_REQUEST
    return np.array(found)


def fill(built: dict[str, Any]) -> None:
    """A million requests, and as many findings as are remembered."""
    flood, words = Flood(), built["host"].vocabulary
    for number in range(REQUESTS):
        batch = SpanBatch(_native.decode([flood.request(number)], words))
        for name in ("requests", "endpoints", "sessions", "detect"):
            built[name].process(batch)
    decide = built["decide"]
    assert isinstance(decide, Decide)
    for number in range(262_144):
        decide._risk.add(number + 1, ("bola_enumeration", number), 0.5, START)  # noqa: SLF001 a signal for each would take minutes
        decide._repeats.seen(("bola_enumeration", number, number), Level.HIGH, START)  # noqa: SLF001


def measure() -> list[str]:
    """Markdown lines."""
    built = parts()
    fill(built)
    gc.collect()
    lines = ["| part | MiB | shards | pause p50, us | p99 | longest |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
    frames, pauses = [], []
    for name, title in NAMES.items():
        mine, size = [], 0
        shards = copied({name: built[name]})
        while True:
            start = time.thread_time()
            frame = next(shards, None)
            mine.append(1e6 * (time.thread_time() - start))
            if frame is None:
                break
            frames.append(frame)
            size += len(frame[1])
        pauses += mine
        lines.append(_row(title, size, mine))
    lines.append(_row("all", sum(len(payload) for _, payload in frames), pauses))
    return [*lines, "", f"Given back to a new process in {_given_back(frames):.1f} s."]


def _given_back(frames: list[Frame]) -> float:
    fresh = parts()
    start = time.thread_time()
    cold = given({name: part for name, part in fresh.items() if isinstance(part, Keeps)}, frames)
    assert cold == [], cold
    return time.thread_time() - start


def _row(title: str, size: int, pauses: list[float]) -> str:
    cuts = quantiles(pauses, n=100, method="inclusive")
    return f"| {title} | {size / 2**20:.1f} | {len(pauses)} | {cuts[49]:.0f} | {cuts[98]:.0f} | {max(pauses):.0f} |"
