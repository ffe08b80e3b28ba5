"""Bounded under attack: 5 million paths, 10 million session ids, 5 million user agents mixed into half an hour of normal traffic.

The session table holds four times the established population. Every made-up request has a session id and a user of its own; every
other one has a path of its own too, half of which succeed, and the rest a user agent of their own.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from apisec_otel import _native
from apisec_otel.assembly import native_rows, native_vocabulary, vocabulary_of
from apisec_otel.cli.options import packaged
from apisec_otel.component import Host
from apisec_otel.config import read
from apisec_otel.spans.batch import SpanBatch
from apisec_otel.telemetry import Kind, Telemetry

SECOND: Final = 10**9
START: Final = 1_767_225_600 * SECOND
LASTS: Final = 1_800 * SECOND
FAKES: Final = 10_000_000
ESTABLISHED: Final = 95_000
VISITS: Final = 12
WALK: Final = 100
BATCH: Final = 8_000
CAPS: Final = {
    "requests::repeats": 32,
    "requests::calls": 4,
    "endpoints::template_memory": 16,
    "sessions::max_bytes": 32,
    "payloads::max_bytes": 32,
    "detect::max_bytes": 96,
    "decide::links": 8,
    "detect::max_held": 32,
}
"""In MiB: what the full flood meets, the defaults. A smaller one meets as much less."""
FAKE, WALKER = 1 << 39, 1 << 38
KINDS: Final = {"once": (1, 0), "twice at once": (2, 0), "twice, 2 s apart": (2, 2 * SECOND)}
SHARES: Final = (1.0, 0.1, 0.2)
"""Of the full size, for each kind: ratios are the same, and all three at full size would take ten minutes."""

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Left:
    """What a flood left behind."""

    established: int
    kept: int
    """Established sessions that are still the same."""
    found: int
    """Findings about the walk of one principal over objects."""
    metrics: dict[str, float]
    grown: int
    """Resident memory above that of quiet traffic, in bytes, and what the tables may hold."""
    caps: int


class Traffic:
    """Spans of one shape, whose ids are written into the bytes."""

    WRITTEN: Final = ("TRACE", "SESSI", "USERS", "AGENT", "PATHS")

    def __init__(self, size: int) -> None:
        made = ExportTraceServiceRequest()
        scope = made.resource_spans.add().scope_spans.add()
        made.resource_spans[0].resource.attributes.append(_text("service.name", "shop"))
        scope.spans.extend([_span()] * size)
        data = made.SerializeToString()
        first = data.find(b"TRACE")
        stride = data.find(b"TRACE", first + 1) - first
        self._bytes = np.frombuffer(data + bytes(stride), np.uint8).copy()
        self._length = len(data)
        self._rows = self._bytes[first : first + size * stride].reshape(size, stride)
        span = data[first : first + stride]
        self._at = {mark: span.index(mark.encode()) + 5 for mark in self.WRITTEN}
        self._at |= {mark: span.index(mark.encode()) for mark in ("SPANSPAN", "STARTSTA", "ENDSENDS")}
        self._at["status"] = span.index(b"\xc8\x01")
        self._made = 0

    def request(self, who: Numbers, agent: Numbers, path: Numbers, made_up: Flags, status: Numbers, time: Numbers) -> bytes:
        """A request of as many spans as the traffic was made for; a made-up path is two words, any other an object of `/items`."""
        rows, at = self._rows, self._at
        number = np.arange(self._made, self._made + len(who), dtype=np.int64)
        self._made += len(who)
        for mark, values in (("TRACE", number), ("SESSI", who), ("USERS", who), ("AGENT", agent)):
            for digit in range(10):
                rows[:, at[mark] + digit] = ord("a") + (values >> 4 * digit) % 16
        for digit in range(10):
            decimal = path // 10**digit % 10
            rows[:, at["PATHS"] + 10 - digit] = np.where(made_up, ord("k") + decimal, ord("0") + decimal)
        for place, letter in enumerate(b"items"):
            rows[:, at["PATHS"] - 5 + place] = np.where(made_up, ord("a") + path // 7**place % 7, letter)
        rows[:, at["PATHS"]] = ord("/")
        for mark, words, order in (("SPANSPAN", number, ">u8"), ("STARTSTA", time, "<u8"), ("ENDSENDS", time + 10**6, "<u8")):
            rows[:, at[mark] : at[mark] + 8] = words.astype(order).view(np.uint8).reshape(-1, 8)
        rows[:, at["status"]], rows[:, at["status"] + 1] = status % 128 + 128, status // 128
        return self._bytes[: self._length].tobytes()


def _span() -> Span:
    values = {
        "http.request.method": "GET",
        "url.path": "/PATHS" + 11 * "_",
        "session.id": "SESSI" + 10 * "_",
        "user.id": "USERS" + 10 * "_",
        "user_agent.original": "AGENT" + 10 * "_",
    }
    status = KeyValue(key="http.response.status_code", value=AnyValue(int_value=200))
    return Span(
        trace_id=b"TRACE" + bytes(11),
        span_id=b"SPANSPAN",
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=int.from_bytes(b"STARTSTA", "little"),
        end_time_unix_nano=int.from_bytes(b"ENDSENDS", "little"),
        attributes=[*(_text(key, value) for key, value in values.items()), status],
    )


def _text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


class Watched(Telemetry):
    """Metrics that can be listed."""

    def __init__(self) -> None:
        super().__init__()
        self.callbacks: dict[str, Callable[[], float]] = {}

    def observe(self, name: str, callback: Callable[[], float], kind: Kind = "gauge", **labels: str) -> None:
        """Notes the callback."""
        self.callbacks[" ".join([name.removeprefix("apisec_"), *labels.values()])] = callback

    def all(self) -> dict[str, float]:
        """The present values, by name and labels."""
        return {name: callback() for name, callback in self.callbacks.items()}


class Pipeline:
    """The processors of the default configuration, with caps of a share of the defaults."""

    def __init__(self, share: float) -> None:
        caps = {key: int(share * mib * 2**20) for key, mib in CAPS.items()}
        self.caps = sum(caps.values())
        config = read([str(packaged("default"))], [f"processors::{key}={cap}" for key, cap in caps.items()])
        self.metrics = Watched()
        self.host = Host(telemetry=self.metrics, vocabulary=native_vocabulary(vocabulary_of(config, bytes(range(16)))), view=native_rows())
        (pipeline,) = [each for each in config.pipelines if str(each.id) == "traces"]
        self.steps: list[Any] = [each.settings.build(self.host) for each in pipeline.processors if each.id.type != "memory_limiter"]

    def run(self, request: bytes) -> tuple[Any, list[Any]]:
        """The rows of a request, and what was found in them."""
        batch = SpanBatch(_native.decode([request], self.host.vocabulary))
        for step in self.steps:
            step.process(batch)
        return self.host.view(batch.native), batch.findings


def flood(share: float, times: int, apart: int) -> Left:
    """A flood of a share of the full size against tables of that share; each made-up key comes so many times, so long (ns) apart."""
    pipeline = Pipeline(share)
    established, fakes = int(share * ESTABLISHED), int(share * FAKES)
    size = min(BATCH, established)
    traffic = Traffic(size)
    for minute in range(5):
        before = _visits(pipeline, traffic, established, size, START + 60 * minute * SECOND)
    gc.collect()
    quiet, peak, found = _resident(), 0, 0
    for who, path, status, made_up, time in _mixed(established, fakes, size, times, apart):
        agent = np.where(made_up & (who % 2 == 1), who, 1)
        fake_path = made_up & (who % 2 == 0)
        _, findings = pipeline.run(traffic.request(who, agent, path, fake_path, status, time))
        found += sum(finding.detector == "bola_enumeration" for finding in findings)
        peak = max(peak, _resident())
    after = _visits(pipeline, traffic, established, size, START + 300 * SECOND + LASTS)
    return Left(established, int((before == after).sum()), found, pipeline.metrics.all(), peak - quiet, pipeline.caps)


def _mixed(established: int, fakes: int, size: int, times: int, apart: int) -> Iterator[tuple[Numbers, Numbers, Numbers, Flags, Numbers]]:
    """Batches in the order of time: who, the number of a path, status, whether made up, and time, a row each."""
    normal = VISITS * established
    total = (normal + fakes) // size * size
    block = max(1, apart * total // LASTS)
    for at in range(0, total, size):
        row = np.arange(at, at + size, dtype=np.int64)
        visit = row * normal // total
        made_up = (row + 1) * normal // total == visit
        walks = ~made_up & (visit % (normal // 9 // WALK) == 0) & (visit // (normal // 9) == 4)
        fake = row - visit
        fake = fake // (times * block) * block + fake % block
        who = np.where(made_up, FAKE + fake, np.where(walks, WALKER, visit % established))
        path = np.where(made_up, fake * 7_919 % 10**10, np.where(walks, row, who * 3 + visit // established % 2))
        status = np.where(made_up & (who % 4 != 0), 404, 200)
        yield who, path, status, made_up, START + 300 * SECOND + row * (LASTS // total)


def _visits(pipeline: Pipeline, traffic: Traffic, established: int, size: int, begin: int) -> npt.NDArray[np.uint64]:
    """The session of each of the established, who all come once within 30 s."""
    sessions = np.empty(established, np.uint64)
    for at in range(0, established, size):
        who = np.arange(at, at + size, dtype=np.int64) % established
        time = begin + np.arange(at, at + size) * (30 * SECOND // established)
        ones = np.ones(size, np.int64)
        rows, _ = pipeline.run(traffic.request(who, ones, who * 3, ones == 0, 200 * ones, time))
        sessions[who] = rows["session"]
    return sessions


def _resident() -> int:
    fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * 4096


def alone(share: float, times: int, apart: int) -> Left:
    """The same in a process of its own, whose memory nothing else has used."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(flood, share, times, apart).result()


def measure() -> list[str]:
    """Markdown lines."""
    lines = ["| made-up keys come | size | established sessions kept | walk found | memory grown, MiB | tables may hold, MiB |"]
    lines.append("| --- | --- | ---: | --- | ---: | ---: |")
    for (kind, (times, apart)), share in zip(KINDS.items(), SHARES, strict=True):
        left = alone(share, times, apart)
        kept, found = 100 * left.kept / left.established, "yes" if left.found else "no"
        size = "full" if share == 1 else f"a {round(1 / share)}th"
        lines.append(f"| {kind} | {size} | {kept:.2f}% | {found} | {left.grown / 2**20:.1f} | {left.caps / 2**20:.1f} |")
    return lines
