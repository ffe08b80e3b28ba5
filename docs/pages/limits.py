"""docs/reference/limits.md: what an attacker can multiply, and where it ends.

A limit that a setting moves is read from the setting. One that is fixed in native code is written here beside the line of
source that sets it; the page is refused when that line is not there any more.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apisec_otel import semconv
from apisec_otel.builtin import load
from apisec_otel.component import Family
from docs.pages import markdown
from docs.pages.settings import rows

ROOT = Path(__file__).parents[2]
IO, CORE, BINDING = (f"rust/apisec-{crate}/src" for crate in ("io", "core", "py"))

INTRO = """\
Input is hostile: whatever a sender can multiply has an end, and what happens there. A refusal that may pass is
retryable (gRPC UNAVAILABLE with RetryInfo, HTTP 503 with Retry-After); one that cannot pass is not."""


@dataclass(frozen=True)
class Fixed:
    """A limit in native code, and the line that sets it."""

    what: str
    value: str
    then: str
    file: str
    line: str


@dataclass(frozen=True)
class Setting:
    """A limit that a setting moves."""

    what: str
    family: Family
    id: str
    key: str
    then: str


RECEIVING: tuple[Fixed | Setting, ...] = (
    Setting("One request on the gRPC port, compressed and not, in MiB", "receivers", "otlp", "protocols::grpc::max_recv_msg_size_mib",
            "RESOURCE_EXHAUSTED, not retryable"),
    Setting("One request on the HTTP port, compressed and not", "receivers", "otlp", "protocols::http::max_request_body_size", "413"),
    Fixed("Spans of one request", "131,072", "RESOURCE_EXHAUSTED or 413", f"{BINDING}/io_codec.rs", "MAX_SPANS: u32 = 131_072"),
    Fixed("Nesting", "64 levels", "INVALID_ARGUMENT or 400", f"{CORE}/codec/mod.rs", "DEPTH: u32 = 64"),
    Fixed("Bytes in flight, from the wire to the reply", "256 MiB; with `memory_limiter`, half of its limit", "retryable",
          f"{IO}/config.rs", "in_flight_bytes: 256 << 20"),
    Fixed("Connections, of all receivers", "2,048", "closed", f"{IO}/config.rs", "connections: 2048"),
    Setting("Streams of an HTTP/2 connection, gRPC port", "receivers", "otlp", "protocols::grpc::max_concurrent_streams", "refused stream"),
    Setting("Streams of an HTTP/2 connection, HTTP port", "receivers", "otlp", "protocols::http::max_concurrent_streams", "refused stream"),
    Fixed("Headers of a request", "16 KiB", "refused", f"{IO}/config.rs", "max_header_bytes: 16 << 10"),
    Fixed("Time to a connection's first request", "10 s", "closed", f"{IO}/config.rs", "first_request: seconds(10)"),
    Fixed("Time for a whole body", "30 s", "retryable", f"{IO}/config.rs", "whole_body: seconds(30)"),
    Fixed("Frames that belong to no request", "8 MiB, then 2 KiB a second", "closed", f"{IO}/limits.rs", "START: u64 = 8 << 20"),
    Setting("Idle HTTP/1.1 connection", "receivers", "otlp", "protocols::http::idle_timeout", "closed"),
)  # fmt: skip

SENDING: tuple[Fixed | Setting, ...] = (
    Fixed("One message to the backend", "4 MiB less 64 KiB", "split at span boundaries", f"{IO}/config.rs", "(4 << 20) - (64 << 10)"),
    Fixed("Spans of one message", "8,192", "split", f"{IO}/config.rs", "fn max_spans() -> u32 {\n    8192"),
    Setting("Wait for the backend, gRPC", "exporters", "otlp_grpc", "timeout",
            "retryable; a sender's shorter deadline counts, less a tenth"),
    Setting("Wait for the backend, HTTP", "exporters", "otlp_http", "timeout", "the same"),
    Fixed("The same for a sender that names no deadline", "4 s", "the same", f"{IO}/request.rs", "Duration::from_secs(4)"),
    Fixed("Memory of requests accepted in part", "4,096 requests, 10 minutes", "a retry begins anew", f"{IO}/resume.rs",
          "ENTRIES: usize = 4096"),
    Setting("Memory of delivered spans, for loops; gRPC", "exporters", "otlp_grpc", "loop_memory", "one out, whatever its age"),
    Setting("The same, HTTP", "exporters", "otlp_http", "loop_memory", "the same"),
    Setting("Findings that wait for the backend, in MiB", "connectors", "findings", "outbox_mib", "dropped and counted"),
)  # fmt: skip

ANALYSING: tuple[Fixed | Setting, ...] = (
    Fixed("Wait for the engine", "200 ms", "sent on unanalysed, and counted", f"{IO}/config.rs",
          "engine_wait: Seconds(Duration::from_millis(200))"),
    Fixed("How far behind stream time a request may be", "10 minutes", "forwarded and judged, but neither counted nor learned from",
          f"{CORE}/rows/stream.rs", "BEHIND: i64 = 600_000_000_000"),
    Setting("Memory of requests seen, for retries", "processors", "requests", "repeats", "oldest out"),
    Setting("Memory of sessions", "processors", "sessions", "max_bytes", "least useful out; `apisec_sessions_evicted`"),
    Setting("Endpoints told apart", "processors", "endpoints", "max_endpoints", "`(unmatched)`; `apisec_endpoints_overflow`"),
    Setting("Templates learned of a service", "processors", "endpoints", "max_templates", "longest unused out"),
    Setting("Memory of learned templates", "processors", "endpoints", "template_memory", "longest unused out; `apisec_templates_evicted`"),
    Setting("Memory of all detectors", "processors", "detect", "max_bytes", "least useful out; `apisec_table_evicted`"),
    Setting("Memory of requests that wait to be judged in order", "processors", "detect", "max_held",
            "earliest judged before their time, and counted"),
    Fixed("How long a request waits for those before it", "6 s", "judged last, and counted", f"{CORE}/rows/steps.rs", "WAIT: i64 = 6"),
    Setting("Pairs of entity and endpoint with a risk", "processors", "decide", "entities", "longest quiet out; `apisec_risk_evicted`"),
    Setting("Memory of links", "processors", "decide", "links", "least useful out; `apisec_links_evicted`"),
    Setting("Ids that one may be linked with", "processors", "decide", "hub", "it links nobody"),
    Setting("Findings remembered as shown", "processors", "decide", "repeats", "oldest out"),
    Setting("Pieces of evidence for incidents", "processors", "decide", "evidence", "longest quiet out; `apisec_evidence_evicted`"),
    Setting("Open incidents", "processors", "decide", "incidents", "longest quiet closes; `apisec_incidents_evicted`"),
    Setting("Incidents that chance may have made", "processors", "decide", "budget", "held back; `apisec_incidents_withheld`"),
    Fixed("Teachers of a baseline before it judges", "20", "unknown, so its condition says nothing", f"{CORE}/kernels/learned.rs",
          "SUPPORT: usize = 20"),
    Fixed("Shard of a snapshot", "128 KiB or 2,048 entries", "the next one a turn later", f"{CORE}/snapshot.rs",
          "SHARD: usize = 128 << 10"),
    Fixed("Shards that wait for the disk", "16", "the snapshot waits, not the engine", "src/apisec_otel/snapshots/writing.py",
          "WAITING = 16"),
    Setting("Learning lost by a kill", "extensions", "file_storage", "snapshot_interval", "so much at most"),
    Fixed("Attribute sets of each metric that goes out", "2,000", "`otel.metric.overflow`", "src/apisec_otel/findings/metrics.py",
          "SERIES: Final = 2_000"),
)  # fmt: skip


def page() -> str:
    """The page."""
    analysed = (
        f"A span with more than {semconv.LIMITS['attributes']:,} attributes, or a value longer than {semconv.LIMITS['text']:,} bytes, is"
        " forwarded and that much of it not analysed."
    )
    tables = (
        "All tables of a configuration together may hold at most half of what `memory_limiter` allows; `validate` says so. A full table"
        " evicts and never refuses; `memory_limiter` refuses, retryably, when requests in flight need more than is left."
    )
    sections = (("Receiving", RECEIVING), ("Analysing", ANALYSING), ("Sending", SENDING))
    parts = [part for title, limits in sections for part in (f"## {title}", _table(limits))]
    return markdown.page("Limits", INTRO, *parts, analysed, tables)


def _table(limits: tuple[Fixed | Setting, ...]) -> str:
    return markdown.table(("what", "limit", "setting", "past it"), map(_row, limits))


def _row(limit: Fixed | Setting) -> tuple[str, ...]:
    if isinstance(limit, Setting):
        return limit.what, default(limit), f"`{limit.id}::{limit.key}`", limit.then
    if limit.line not in (ROOT / limit.file).read_text(encoding="utf-8"):
        raise ValueError(f"docs/pages/limits.py: {limit.what}: {limit.file} no longer says {limit.line!r}")
    return limit.what, limit.value, "fixed", limit.then


def default(limit: Setting) -> str:
    """What the setting is by default, as the reference of components prints it."""
    cls: Any = load(limit.family, limit.id)
    return next(shown for key, _, shown, _ in rows(cls) if key == f"`{limit.key}`")
