"""What ran behind requests: the spans of their traces, read again from the files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from apisec_otel import semconv
from apisec_otel.receivers.otlp_json_file import Fault, OtlpFile

DATABASE: Final = ("db.system.name", "db.system")
OPERATION: Final = ("db.operation.name", "db.operation")
TABLE: Final = ("db.collection.name", "db.sql.table", "db.mongodb.collection")
METHOD: Final = ("http.request.method", "http.method")
HOST: Final = ("server.address", "net.peer.name", "http.host", "net.host.name")
MARK: Final = "\x00"
MOST: Final = 200
"""Spans of a trace that are looked at for each request."""


@dataclass(slots=True)
class Behind:
    """The request's own attributes, as texts, and what ran below it."""

    attributes: Mapping[str, str] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    """What was called, in words that hold no value: how often."""
    failed: int = 0
    """Spans below it that ended in an error."""


def behind(files: Iterable[str], wanted: set[tuple[str, str]], transcode: Callable[[bytes], bytes]) -> dict[tuple[str, str], Behind]:
    """By trace and span id: what is known of those requests. Reads the files once, and keeps the spans of their traces only."""
    traces = {bytes.fromhex(trace) for trace, _ in wanted}
    spans: dict[bytes, list[Span]] = {}
    for span in _spans(files, transcode):
        if span.trace_id in traces and len(spans.setdefault(span.trace_id, [])) < MOST * 10:
            spans[span.trace_id].append(span)
    return {key: _told(spans.get(bytes.fromhex(key[0]), []), bytes.fromhex(key[1])) for key in wanted}


def _spans(files: Iterable[str], transcode: Callable[[bytes], bytes]) -> Iterator[Span]:
    for path in files:
        for item in OtlpFile(path):
            if isinstance(item, Fault):
                continue
            try:
                request = ExportTraceServiceRequest.FromString(transcode(item.payload) if item.json else item.payload)
            except (DecodeError, ValueError):
                continue  # replay has told of it
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    yield from scope.spans


def _told(spans: list[Span], own: bytes) -> Behind:
    below: dict[bytes, list[Span]] = {}
    for span in spans:
        below.setdefault(span.parent_span_id, []).append(span)
    told = Behind()
    request = next((span for span in spans if span.span_id == own), None)
    if request is not None:
        told.attributes = _texts(request)
    waiting, seen = [own], 0
    while waiting and seen < MOST:
        for span in below.get(waiting.pop(), []):
            seen += 1
            waiting.append(span.span_id)
            told.failed += span.status.code == Status.STATUS_CODE_ERROR
            if words := _call(span):
                told.calls[words] += 1
    return told


def _call(span: Span) -> str:
    """`postgresql SELECT orders`, `GET users.internal`, or the name of what came in or was sent; empty for what is internal."""
    said = _texts(span)
    if system := _first(said, DATABASE):
        return " ".join(filter(None, (system, _first(said, OPERATION) or _verb(said), _first(said, TABLE))))
    if span.kind == Span.SPAN_KIND_CLIENT and (method := _first(said, METHOD)):
        return " ".join(filter(None, (method, _first(said, HOST))))
    if span.kind in (Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_PRODUCER, Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CONSUMER):
        return span.name[:80]
    return ""


def _verb(said: Mapping[str, str]) -> str:
    """The first word of a statement: the rest may hold values."""
    found = re.match(r"\s*([A-Za-z]{2,12})\b", said.get("db.query.text", said.get("db.statement", "")))
    return found[1].upper() if found else ""


def _first(said: Mapping[str, str], keys: Iterable[str]) -> str:
    return next((said[key] for key in keys if said.get(key)), "")


def _texts(span: Span) -> dict[str, str]:
    return {each.key: _text(each.value) for each in span.attributes}


def _text(value: AnyValue) -> str:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return ", ".join(_text(each) for each in value.array_value.values)
    plain: Any = "" if kind in (None, "kvlist_value", "bytes_value") else getattr(value, str(kind))
    return str(plain).replace(MARK, "")


@dataclass(frozen=True, slots=True)
class Url:
    """Where a request went; variables stand for secrets."""

    scheme: str
    host: str
    path: str
    query: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}{self.path}" + (f"?{self.query}" if self.query else "")


def url_of(said: Mapping[str, str]) -> Url:
    """The URL of a request's attributes, old names and new ones; what is not known is `https`, a variable and `/`."""
    whole = _first(said, ("url.full", "http.url"))
    found = re.match(r"(\w+)://([^/?#]*)([^?#]*)\??([^#]*)", whole)
    target, _, asked = said.get("http.target", "").partition("?")
    scheme = _first(said, ("url.scheme", "http.scheme")) or (found[1] if found else "") or "https"
    host = _first(said, HOST) or (found[2].rpartition("@")[2] if found else "") or variable("HOST")
    port = _first(said, ("server.port", "net.host.port"))
    usual = {"http": "80", "https": "443"}.get(scheme)
    path = said.get("url.path") or target or (found[3] if found else "") or "/"
    query = said.get("url.query", "").removeprefix("?") or asked or (found[4] if found else "")
    return Url(scheme, host if ":" in host or not port or port == usual else f"{host}:{port}", path, masked(query))


def masked(query: str) -> str:
    """A query with variables for its secret values, and for what was overwritten before."""
    return "&".join(_masked(pair) for pair in query.split("&")) if query else ""


def _masked(pair: str) -> str:
    name, equals, value = pair.partition("=")
    secret = unquote(name).lower() in semconv.SECRET_QUERIES or (value and not value.strip("*"))
    return f"{name}={variable(unquote(name))}" if equals and secret else pair


def variable(name: str) -> str:
    """Stands for a value that is not told. What callers wrote never looks so, whatever dollar signs it holds."""
    return MARK + re.sub(r"\W", "_", name).upper() + MARK


def shown(text: str) -> str:
    """With variables as `$NAME`."""
    return re.sub(f"{MARK}(\\w*){MARK}", r"$\1", text)


def credentials(said: Mapping[str, str], known: bool) -> dict[str, str]:
    """Headers that a repetition needs, without their values: those that were recorded, or else a bearer token if anybody was known."""
    found: dict[str, str] = {}
    for key in said:
        name = next((key.removeprefix(prefix) for prefix in semconv.REQUEST_PREFIXES if key.startswith(prefix)), "").replace("_", "-")
        if name in semconv.SECRET_HEADERS:
            found[name] = variable(name)
    return found or ({"authorization": f"Bearer {variable('TOKEN')}"} if known else {})
