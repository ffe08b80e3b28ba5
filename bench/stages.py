"""CPU of each native step over recorded requests, in one thread: `python bench/stages.py FOLDER` prints a table."""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent / "synthetic"))

import apisec_synthetic
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from apisec_otel import _native, builtin, semconv
from apisec_otel.component import Host
from apisec_otel.findings.links import Links, LinkSettings
from apisec_otel.plan import build
from apisec_otel.processors.endpoints import Endpoints
from apisec_otel.processors.payloads import Payloads
from apisec_otel.processors.requests import Requests
from apisec_otel.processors.sessions import Sessions
from apisec_otel.spans.batch import SpanBatch

SYNTHETIC = {f"synthetic_{number:02}": getattr(apisec_synthetic, f"Synthetic{number:02}") for number in range(20)}


SESSION_MODEL = ("session_conduct", "session_evidence")
MODELS = ("payload model", "session model")
"""Together they are held to half a microsecond a span."""


def plans(detectors: dict[str, type]) -> build.Plans:
    """The plans of some detectors: of requests as they arrive, and in order."""
    chosen = [build.Chosen(id=id, detector=kind(), q=1e-4, flags=True) for id, kind in detectors.items()]
    return build.plans(chosen, memory=128 << 20)


def measure(requests: list[bytes]) -> tuple[dict[str, float], int, int]:
    """Nanoseconds by step, spans, rows."""
    took: defaultdict[str, float] = defaultdict(float)

    def timed(name: str, work: Callable[..., Any], *given: Any) -> Any:
        begin = time.thread_time_ns()
        answer = work(*given)
        took[name] += time.thread_time_ns() - begin
        return answer

    vocabulary = _native.Vocabulary(semconv.vocabulary_json(), b"a bench's secret")
    held = _native.Steps(json.dumps({"bytes": 32 << 20}))
    steps = {kind.__name__.lower(): kind().build(Host(vocabulary=vocabulary)) for kind in (Requests, Endpoints, Sessions)}
    links = Links(LinkSettings(bytes=8 << 20, half_life=6 * 3600 * 10**9, hub=20))
    shipped = {id: builtin.load("detectors", id) for id in builtin.known("detectors") if id not in SYNTHETIC}
    few, many = (_native.Plan(plans(each).requests.spec) for each in (shipped, shipped | SYNTHETIC))
    sessions = _native.Plan(plans({id: shipped[id] for id in SESSION_MODEL}).steps.spec)
    payloads = Payloads().build(Host(vocabulary=vocabulary))
    released: Any = None
    spans = rows = 0
    for request in requests:
        timed("memcpy", bytearray, request)
        timed("protobuf parse (upb)", ExportTraceServiceRequest.FromString, request)
        native = timed("decode", _native.decode, [request], vocabulary)
        batch = SpanBatch(native)
        for name, step in steps.items():
            timed(name, step.process, batch)
        links.begin(native)
        timed("links", links.follow, len(native))
        timed("plan, shipped detectors", few.run, native)
        timed("plan, 20 synthetic ones more", many.run, native)
        timed(MODELS[0], payloads.process, batch)
        if released is not None:
            held.reuse(released)
        released = timed("hold for Step rows, and release", held.process, native)[0]
        timed(MODELS[1], sessions.run, released)
        native.annotate(0, {"apisec.finding": "bench", "apisec.severity": "high"})
        timed("splice, one span of each request", native.encode)
        spans, rows = spans + native.spans, rows + len(native)
    return took, spans, rows


def main() -> None:
    """Runs twice over the same requests with new ids a second apart would be other requests: the first half warms up."""
    requests = [path.read_bytes() for path in sorted(Path(sys.argv[1]).glob("*.pb"))]
    measure(requests[: len(requests) // 4])
    took, spans, rows = measure(requests)
    print("| step | ns a span | beside protobuf's parser |")
    print("|---|---:|---:|")
    for name, nanoseconds in took.items():
        print(f"| {name} | {nanoseconds / spans:.0f} | {nanoseconds / took['protobuf parse (upb)']:.2f} |")
    together = sum(took[model] for model in MODELS) / spans
    print(f"\n{spans:,} spans, {rows:,} of them requests. Both models together: {together:.0f} ns a span (bar: 500).")


if __name__ == "__main__":
    main()
