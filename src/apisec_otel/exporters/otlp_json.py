"""OTLP protobuf as OTLP/JSON: hexadecimal ids, numbers for enums, strings for 64-bit integers.

protobuf's own JSON writes base64 ids and enum names, and its parser refuses a whole request for one string that is
not UTF-8. So this walks the wire format, by tables made from the message descriptors: such a string gets U+FFFD, a
field that the descriptors do not know is left out.
"""

from __future__ import annotations

import json
import math
import struct
from base64 import b64encode
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

DEEPEST: Final = 128
"""Nested messages; two for each nested attribute value."""

_ROOTS: Final = {
    "traces": ExportTraceServiceRequest.DESCRIPTOR,
    "logs": ExportLogsServiceRequest.DESCRIPTOR,
    "metrics": ExportMetricsServiceRequest.DESCRIPTOR,
}
_IDS: Final = frozenset(("trace_id", "span_id", "parent_span_id"))

Scalar = Callable[[Any], Any]
"""From what stands on the wire (an int, or the bytes of a length-delimited field) to its JSON value."""


class _Field:
    """How one field of a message is written."""

    __slots__ = ("message", "name", "oneof", "packed", "repeated", "scalar", "zero")

    def __init__(self, field: FieldDescriptor) -> None:
        self.name: str = field.json_name
        self.repeated: bool = field.is_repeated
        self.oneof: str | None = field.containing_oneof.name if field.containing_oneof else None
        self.message: Descriptor | None = field.message_type if field.type == FieldDescriptor.TYPE_MESSAGE else None
        self.scalar: Scalar = bytes.hex if field.name in _IDS else _SCALARS.get(field.type, str)
        self.packed: str | None = _PACKED.get(field.type)
        self.zero = self.oneof is None and not self.repeated and self.message is None


def to_json(signal: str, request: bytes) -> str:
    """One line of OTLP/JSON for an Export request of `signal` (traces, logs, metrics).

    Malformed protobuf is a ValueError that names the offset.
    """
    value = _message(request, 0, len(request), _ROOTS[signal], 0)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _message(data: bytes, at: int, end: int, descriptor: Descriptor, depth: int) -> dict[str, Any]:
    if depth > DEEPEST:
        raise ValueError(f"offset {at}: nested deeper than {DEEPEST} messages")
    fields = _by_tag(descriptor)
    found: dict[str, Any] = {}
    while at < end:
        tag = data[at]
        if tag < 0x80:
            at += 1
        else:
            tag, at = _varint(data, at, end)
        field = fields.get(tag)
        if field is None or tag & 7 != 2:
            at = _number(data, at, end, tag, field, found, descriptor)
            continue
        size = data[at] if at < end else 0x80
        if size < 0x80:
            at += 1
        else:
            size, at = _varint(data, at, end)
        if size > end - at:
            raise ValueError(f"offset {at}: length {size} past the end ({end})")
        if field.message is not None:
            value: Any = _message(data, at, at + size, field.message, depth + 1)
        else:
            value = field.scalar(data[at : at + size])
        at += size
        if field.repeated:
            found.setdefault(field.name, []).append(value)
        else:
            _put(found, descriptor, field, value)
    return found


def _number(data: bytes, at: int, end: int, tag: int, field: _Field | None, found: dict[str, Any], descriptor: Descriptor) -> int:
    """A field of numbers, packed or not, or one that is not known; answers the offset behind it."""
    start = at
    raw, at = _raw(data, at, end, tag)
    if field is not None:
        value = field.scalar(raw)
        if field.repeated:
            found.setdefault(field.name, []).append(value)
        else:
            _put(found, descriptor, field, value)
    elif tag & 7 == 2 and (packed := _fields(descriptor).get(tag >> 3)) is not None and packed.packed is not None and packed.repeated:
        found.setdefault(packed.name, []).extend(_unpacked(packed, raw, start))
    return at


def _put(found: dict[str, Any], descriptor: Descriptor, field: _Field, value: Any) -> None:
    if field.oneof is not None and found and field.name not in found:
        for other in _fields(descriptor).values():  # of a oneof the last on the wire counts
            if other.oneof == field.oneof:
                found.pop(other.name, None)
    if (field.zero and not value) or (value == "0" and field.zero):
        found.pop(field.name, None)  # defaults are left out
    elif isinstance(value, dict) and isinstance(known := found.get(field.name), dict):
        _merge(known, value)
    else:
        found[field.name] = value


def _merge(known: dict[str, Any], more: dict[str, Any]) -> None:
    """A message that stands twice is one: lists grow, the last value counts."""
    for name, value in more.items():
        old = known.get(name)
        if isinstance(old, list) and isinstance(value, list):
            old.extend(value)
        elif isinstance(old, dict) and isinstance(value, dict):
            _merge(old, value)
        else:
            known[name] = value


def _raw(data: bytes, at: int, end: int, tag: int) -> tuple[Any, int]:
    """The value of any field (an int, or bytes; of a group nothing) and the offset behind it."""
    wire = tag & 7
    if wire == 0:
        return _varint(data, at, end)
    if wire == 3:
        return None, _skip_group(data, at, end, tag >> 3)
    if wire == 2:
        size, at = _varint(data, at, end)
    elif wire in (1, 5):
        size = 8 if wire == 1 else 4
    else:
        raise ValueError(f"offset {at}: wire type {wire}")
    if size > end - at:
        raise ValueError(f"offset {at}: length {size} past the end ({end})")
    raw = data[at : at + size]
    return (raw if wire == 2 else int.from_bytes(raw, "little")), at + size


def _skip_group(data: bytes, at: int, end: int, number: int) -> int:
    """The offset behind a group: nothing in OTLP is one."""
    open_groups = [number]
    while open_groups:
        tag, at = _varint(data, at, end)
        if tag & 7 == 3:
            open_groups.append(tag >> 3)
        elif tag & 7 == 4:
            if open_groups.pop() != tag >> 3:
                raise ValueError(f"offset {at}: end of a group that is not open")
        else:
            _, at = _raw(data, at, end, tag)
    return at


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
        if shift > 63:
            raise ValueError(f"offset {at}: varint over 10 bytes")
    raise ValueError(f"offset {at}: the message ends inside a number")


def _unpacked(field: _Field, raw: bytes, offset: int) -> list[Any]:
    if field.packed == "varint":
        values, at = [], 0
        while at < len(raw):
            value, at = _varint(raw, at, len(raw))
            values.append(field.scalar(value))
        return values
    size = struct.calcsize(field.packed or "<Q")
    if len(raw) % size:
        raise ValueError(f"offset {offset}: packed field of {len(raw)} bytes, not a multiple of {size}")
    return [field.scalar(int.from_bytes(raw[at : at + size], "little")) for at in range(0, len(raw), size)]


def _signed(bits: int) -> Callable[[int], int]:
    return lambda value: (value & (1 << bits) - 1) - ((value >> bits - 1 & 1) << bits)


def _double(bits: int) -> float | str:
    value: float = struct.unpack("<d", bits.to_bytes(8, "little"))[0]
    return value if math.isfinite(value) else "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


_T = FieldDescriptor
_SCALARS: Final[dict[int, Scalar]] = {
    _T.TYPE_STRING: lambda raw: str(raw, "utf-8", "replace"),
    _T.TYPE_BYTES: lambda raw: b64encode(raw).decode(),
    _T.TYPE_BOOL: bool,
    _T.TYPE_DOUBLE: _double,
    _T.TYPE_ENUM: _signed(32),
    _T.TYPE_INT32: _signed(32),
    _T.TYPE_UINT32: lambda value: value & 0xFFFFFFFF,
    _T.TYPE_FIXED32: int,
    _T.TYPE_SINT32: lambda value: (value >> 1) ^ -(value & 1),
    _T.TYPE_SFIXED64: lambda value: str(_signed(64)(value)),
    _T.TYPE_INT64: lambda value: str(_signed(64)(value)),
}
"""Other 64-bit integers are their decimal digits."""

_PACKED: Final[dict[int, str]] = {
    **dict.fromkeys((_T.TYPE_DOUBLE, _T.TYPE_FIXED64, _T.TYPE_SFIXED64), "<Q"),
    **dict.fromkeys((_T.TYPE_FIXED32, _T.TYPE_FLOAT, _T.TYPE_SFIXED32), "<I"),
    **dict.fromkeys(
        (_T.TYPE_BOOL, _T.TYPE_ENUM, _T.TYPE_INT32, _T.TYPE_INT64, _T.TYPE_UINT32, _T.TYPE_UINT64, _T.TYPE_SINT32, _T.TYPE_SINT64), "varint"
    ),
}
"""How the numbers of a field follow each other when it is packed; no entry: the field is length-delimited itself."""


@cache
def _fields(descriptor: Descriptor) -> dict[int, _Field]:
    return {field.number: _Field(field) for field in descriptor.fields}


@cache
def _by_tag(descriptor: Descriptor) -> dict[int, _Field]:
    """Fields by the tag that they have when they are not packed."""
    return {field.number << 3 | _wire_of(field): _fields(descriptor)[field.number] for field in descriptor.fields}


def _wire_of(field: FieldDescriptor) -> int:
    if field.type not in _PACKED:
        return 2
    return {"<Q": 1, "<I": 5}.get(_PACKED[field.type], 0)
