"""The codec again, in plain Python over protobuf: slow, obvious, and the judge of the native one.

Text is bytes throughout: the messages are OTLP's with every `string` field declared `bytes`, which is the same on the
wire and, as in the native codec, leaves invalid UTF-8 alone.
"""

from __future__ import annotations

import base64
import json
import math
import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from apisec_otel.testing.reference.hashing import siphash

Value = str | float | bool | int | list[str]
Annotations = Mapping[int, Mapping[str, Value]]

HASHED = {
    "environment": "environment",
    "service": "service",
    "version": "version",
    "method": "method",
    "scheme": "scheme",
    "host": "host",
    "path": "path",
    "query": "query",
    "user_agent": "agent",
    "error_type": "error",
    "role": "role",
}
"""Ids that are plain hashes of a text, with the column that the text is in."""

NUMBERS = ("status", "request_size", "response_size")
TEXTS = (
    *("service", "namespace", "environment", "version", "method", "scheme", "host", "path", "query", "route", "rpc", "client", "peer"),
    *("forwarded", "agent", "user", "session", "credential", "claim", "role", "error"),
)
RESERVED, SENDS, HTTP = 1, 2, 4

GRPC = {
    0: 200,
    1: 499,
    2: 500,
    3: 400,
    4: 504,
    5: 404,
    6: 409,
    7: 403,
    8: 429,
    9: 400,
    10: 409,
    11: 400,
    12: 405,
    13: 500,
    14: 503,
    15: 500,
}
GRPC[16] = 401
GRPC_NAMES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED"),
    *("RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE"),
    *("DATA_LOSS", "UNAUTHENTICATED"),
)


def _tolerant() -> Any:
    """ExportTraceServiceRequest with bytes for strings."""
    pool = descriptor_pool.DescriptorPool()
    for module in (common_pb2, resource_pb2, trace_pb2, trace_service_pb2):
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        for message in file.message_type:
            for declared in message.field:
                if declared.type == declared.TYPE_STRING:
                    declared.type = declared.TYPE_BYTES
        pool.Add(file)
    name = trace_service_pb2.ExportTraceServiceRequest.DESCRIPTOR.full_name
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


Request = _tolerant()
"""The message class."""


@dataclass(frozen=True)
class Codec:
    """Decodes and encodes by the vocabulary of the native codec, given as the parsed JSON."""

    spec: Mapping[str, Any]
    secret: bytes
    limits: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "limits", {"attributes": 1024, "text": 16384, "depth": 64} | dict(self.spec.get("limits", {})))

    def decode(self, request: bytes) -> list[dict[str, Any]]:
        """The kept spans of a request as rows. DecodeError when protobuf refuses it."""
        rows = []
        for resource_spans in Request.FromString(request).resource_spans:
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    if span.kind in self.spec["kinds"]:
                        rows.append(self._row(span, scope_spans.scope.name, resource_spans.resource))
        return [row for row in rows if not self._is_over(row)]

    def encode(self, request: bytes, annotations: Annotations) -> Any:
        """The message to send on: secrets overwritten, `annotations` (by kept row) written."""
        message = Request.FromString(request)
        rows = [
            span
            for resource_spans in message.resource_spans
            for scope_spans in resource_spans.scope_spans
            for span in scope_spans.spans
            if span.kind in self.spec["kinds"] and not self._is_over(self._row(span, b"", resource_spans.resource))
        ]
        self.redact(message)
        for row, attributes in annotations.items():
            annotate(rows[row], attributes)
        return message

    def redact(self, message: Any) -> dict[str, int]:
        """Overwrites the secrets of a message; how many, by name."""
        counts: dict[str, int] = {}
        for attribute in _all_attributes(message):
            key = attribute.key.decode(errors="replace")
            if key in self.spec["secret_headers"]:
                _change_texts(attribute.value, partial(_overwrite, name=key, counts=counts))
            elif key in self.spec["query_carriers"]:
                _change_texts(attribute.value, lambda text: self._redact_query(text, counts))
        return counts

    def _redact_query(self, text: bytes, counts: dict[str, int]) -> bytes:
        """Names begin at the start and behind `?&;#`; a secret value ends before `&` or `#`, any other before all four."""
        names = {name.lower().encode(): name for name in self.spec["secret_queries"]}
        out, at = b"", 0
        while at < len(text):
            name = re.split(rb"[?&;#]", text[at:], maxsplit=1)[0].partition(b"=")
            secret = names.get(urllib.parse.unquote_to_bytes(name[0]).lower()) if name[1] else None
            if secret is None:
                out += b"".join(name)
                at += len(b"".join(name))
            else:
                start = at + len(name[0]) + 1
                value = re.split(rb"[&#]", text[start:], maxsplit=1)[0]
                out += name[0] + b"=" + _overwrite(value, secret, counts)
                at = start + len(value)
            out, at = out + text[at : at + 1], at + 1
        return out

    def _row(self, span: Any, scope: bytes, resource: Any) -> dict[str, Any]:
        row: dict[str, Any] = dict.fromkeys((*TEXTS, *NUMBERS))
        keys = [attribute.key for attribute in span.attributes]
        row["marks"] = RESERVED if any(key.startswith(self.spec["reserved"].encode()) for key in keys) else 0
        sent = tuple(beginning.encode() for beginning in self.spec.get("sent", ("",)))
        row["marks"] |= SENDS if sent == (b"",) or any(key.startswith(sent) for key in keys) else 0
        for column in self.spec["columns"]:
            value = self._column(column, span, resource)
            if column["column"] == "http":
                row["marks"] |= HTTP if value is not None else 0
            else:
                row[column["column"]] = value
        row |= {
            "name": span.name,
            "scope": scope,
            "state": span.trace_state,
            "kind": span.kind,
            "start": span.start_time_unix_nano,
            "end": span.end_time_unix_nano,
        }
        for name, size in (("trace_id", 16), ("span_id", 8), ("parent_span_id", 8)):
            identity = getattr(span, name)
            row[name.replace("_span", "")] = identity if len(identity) == size else bytes(size)
        if row["route"] is None and scope.decode(errors="replace") in self.spec["scope_route_names"]:
            match = re.fullmatch(rb"[A-Z]+ (.+)", span.name, re.DOTALL)
            row["route"] = match[1] if match else None
        row["marks"] |= HTTP if row["method"] is not None or row["status"] is not None else 0
        row["attributes"] = len(span.attributes)
        row["duration"] = (row["end"] - row["start"]) / 1e9 if row["start"] and row["end"] >= row["start"] else None
        row["ids"] = {name: siphash(self.secret, row[text]) if row[text] else 0 for name, text in HASHED.items()}
        return row

    def _column(self, column: Mapping[str, Any], span: Any, resource: Any) -> bytes | float | bool | None:
        """The value of the first source that has one, in the order listed."""
        for source in column["sources"]:
            for attribute in (span if source["at"] == "span" else resource).attributes:
                if attribute.key == source["key"].encode():
                    value = self._read(attribute.value, source["as"], column["column"])
                    if value is not None:
                        return value
        return None

    def _read(self, value: Any, reading: str, column: str) -> bytes | float | bool | None:
        plain = _plain(value)
        if column == "http":
            return True if plain is not None else None
        if column in NUMBERS:
            if isinstance(plain, list):
                plain = plain[-1 if reading == "last" else 0] if plain else None
            return _grpc_status(plain) if reading == "grpc_status" else _number(plain)
        if reading.startswith("constant:"):
            return reading.removeprefix("constant:").encode() if plain is not None else None
        if reading.startswith("cookie:"):
            return self._cookie(plain, reading.removeprefix("cookie:").encode())
        if reading.startswith("claims:"):
            return self._claims(plain, reading.removeprefix("claims:").split(","))
        text = _text(plain, reading, self.limits["text"])
        if reading == "credential" and text is not None:
            return None if self._is_missing(_behind_scheme(text)) else text.strip(BLANK)
        take = PARTS.get(reading)
        part = take(text) if take is not None and text is not None else text
        return None if part is None or self._is_missing(part) else part

    def _cookie(self, plain: Any, name: bytes) -> bytes | None:
        for line in plain if isinstance(plain, list) else [plain]:
            for pair in line.split(b";") if isinstance(line, bytes) else ():
                key, equals, value = pair.partition(b"=")
                if equals and key.strip(BLANK) == name:
                    value = value.strip(BLANK)
                    quoted = len(value) > 1 and value[:1] == value[-1:] == b'"'
                    value = value[1:-1] if quoted else value
                    return None if self._is_missing(value) else value
        return None

    def _claims(self, plain: Any, names: list[str]) -> bytes | None:
        token = (plain or [None])[0] if isinstance(plain, list) else plain
        said = _payload(token) if isinstance(token, bytes) and len(token) <= self.limits["text"] else {}
        values = [said.get(name, b"") for name in names]
        return None if self._is_missing(values[-1]) else b"\0".join(values)

    def _is_missing(self, text: bytes) -> bool:
        return not text.strip(b"*") or text in [missing.encode() for missing in self.spec["missing"]]

    def _is_over(self, row: Mapping[str, Any]) -> bool:
        texts = [row[name] or b"" for name in (*TEXTS, "name")]
        return row["attributes"] > self.limits["attributes"] or max(map(len, texts)) > self.limits["text"]


BLANK = b" \t\n\x0c\r"


def _behind_scheme(text: bytes) -> bytes:
    match = re.fullmatch(rb"[A-Za-z0-9-]{1,32}[ \t\n\x0c\r](.*)", text.lstrip(BLANK), re.DOTALL)
    return (match[1] if match else text).strip(BLANK)


def _payload(token: bytes) -> dict[str, bytes]:
    """Texts and whole numbers that a JWT claims."""
    parts = _behind_scheme(token.strip(BLANK)).split(b".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.b64decode(parts[1].translate(bytes.maketrans(b"-_", b"+/")) + b"==", validate=True))
    except ValueError:
        return {}
    kinds = claims.items() if isinstance(claims, dict) else ()
    return {name: str(value).encode() for name, value in kinds if isinstance(value, (str, int)) and not isinstance(value, bool)}


def annotate(span: Any, attributes: Mapping[str, Value]) -> None:
    """Writes attributes at the end of a span; keys already there are replaced."""
    kept = [attribute for attribute in span.attributes if attribute.key.decode(errors="replace") not in attributes]
    kept = [type(attribute).FromString(attribute.SerializeToString()) for attribute in kept]
    del span.attributes[:]
    span.attributes.extend(kept)
    for key, value in attributes.items():
        target = span.attributes.add(key=key.encode()).value
        if isinstance(value, list):
            target.array_value.SetInParent()
            for text in value:
                target.array_value.values.add(string_value=text.encode())
        elif isinstance(value, str):
            target.string_value = value.encode()
        else:
            setattr(target, {bool: "bool_value", int: "int_value", float: "double_value"}[type(value)], value)


def _all_attributes(message: Any) -> Iterator[Any]:
    for resource_spans in message.resource_spans:
        yield from resource_spans.resource.attributes
        for scope_spans in resource_spans.scope_spans:
            yield from scope_spans.scope.attributes
            for span in scope_spans.spans:
                yield from span.attributes
                for inner in (*span.events, *span.links):
                    yield from inner.attributes


def _overwrite(text: bytes, name: str, counts: dict[str, int]) -> bytes:
    if text.strip(b"*"):
        counts[name] = counts.get(name, 0) + 1
    return b"*" * len(text)


def _change_texts(value: Any, change: Callable[[bytes], bytes]) -> None:
    kind = value.WhichOneof("value")
    if kind in ("string_value", "bytes_value"):
        setattr(value, kind, change(getattr(value, kind)))
    elif kind == "array_value":
        for element in value.array_value.values:
            _change_texts(element, change)
    elif kind == "kvlist_value":
        for pair in value.kvlist_value.values:
            _change_texts(pair.value, change)


class Other:
    """A value that is there, but that no column reads: a map, a list in a list."""


Plain = bytes | bool | int | float | Other | None


def _plain(value: Any) -> Plain | list[Plain]:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        elements = [_plain(element) for element in value.array_value.values]
        return [Other() if isinstance(element, list) else element for element in elements]
    if kind is None:
        return None
    return getattr(value, kind) if kind in ("string_value", "bytes_value", "bool_value", "int_value", "double_value") else Other()


def _joined(texts: Iterable[bytes]) -> bytes:
    """Texts behind each other; nothing stands before the first that is not empty."""
    joined = b""
    for text in texts:
        joined += b", " + text if joined else text
    return joined


def _text(plain: Plain | list[Plain], reading: str, limit: int) -> bytes | None:
    if isinstance(plain, list):
        if reading not in ("list", "last", "joined", "credential") or not plain:
            return None
        if reading == "joined" and len(plain) > 1:
            return _joined(text for text in plain if isinstance(text, bytes))[: limit + 1]
        plain = plain[-1 if reading == "last" else 0]
    if isinstance(plain, bytes):
        return plain
    if isinstance(plain, bool):
        return str(plain).lower().encode()
    if isinstance(plain, int):
        return str(plain).encode()
    if isinstance(plain, float) and plain.is_integer() and abs(plain) < 2**53:
        return str(int(plain)).encode()
    return None


def _number(plain: Plain) -> float | None:
    if isinstance(plain, bytes):
        return float(plain) if re.fullmatch(rb"-?[0-9]{1,15}(\.[0-9]{1,15})?", plain) else None
    if isinstance(plain, int | float) and not isinstance(plain, bool) and math.isfinite(plain):
        return float(plain)
    return None


def _grpc_status(plain: Plain) -> float | None:
    if isinstance(plain, bytes) and plain.upper().decode(errors="replace") in GRPC_NAMES:
        plain = GRPC_NAMES.index(plain.upper().decode())
    number = _number(plain)
    status = GRPC.get(int(number)) if number is not None and number.is_integer() else None
    return None if status is None else float(status)


def _absolute(url: bytes) -> re.Match[bytes] | None:
    return re.match(rb"([^:/?#]*)://([^/?#]*)", url)


def _path(url: bytes) -> bytes:
    absolute = _absolute(url)
    path = url[absolute.end() :] if absolute else url
    return re.split(rb"[?#]", path, maxsplit=1)[0]


def _query(url: bytes) -> bytes:
    return url.partition(b"#")[0].partition(b"?")[2]


def _host(authority: bytes) -> bytes:
    if authority.startswith(b"["):
        return authority[1:].partition(b"]")[0]
    return authority.partition(b":")[0] if authority.count(b":") == 1 else authority


def _url_host(url: bytes) -> bytes:
    absolute = _absolute(url)
    return _host(absolute[2].rpartition(b"@")[2]) if absolute else b""


def _url_scheme(url: bytes) -> bytes:
    absolute = _absolute(url)
    return absolute[1] if absolute else b""


PARTS: dict[str, Callable[[bytes], bytes]] = {
    "target.path": _path,
    "url.path": _path,
    "target.query": _query,
    "url.query": _query,
    "url.host": _url_host,
    "url.scheme": _url_scheme,
    "host": _host,
}


def spans(messages: Sequence[Any]) -> list[tuple[bytes, ...]]:
    """Every span of some messages in order, with all that stands around it: what no cutting may change."""
    return [
        (resource_urls(resource), scope.schema_url, scope.scope.SerializeToString(), span.SerializeToString())
        for message in messages
        for resource in message.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def resource_urls(resource_spans: Any) -> bytes:
    """A resource with its schema URL."""
    return bytes(resource_spans.resource.SerializeToString() + b" " + resource_spans.schema_url)
