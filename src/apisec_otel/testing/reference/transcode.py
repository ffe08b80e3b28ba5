"""OTLP/JSON to protobuf messages, in plain Python: as lax as the Collector."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from apisec_otel.testing.reference.codec import Request

IDS = {"trace_id": 16, "span_id": 8, "parent_span_id": 8}


def transcode(document: bytes) -> Any:
    """The message of an OTLP/JSON trace request. ValueError when it is none."""
    message = Request()
    _fill(message, json.loads(document))
    return message


def _fill(message: Any, content: Any) -> None:
    if not isinstance(content, dict):
        raise ValueError("an object is wanted")
    fields = {}
    for field in message.DESCRIPTOR.fields:
        if "strindex" not in field.name:
            fields[field.name] = fields[field.camelcase_name] = field
    for name, value in content.items():
        if name in fields and value is not None:
            _set(message, fields[name], value)


def _set(message: Any, field: FieldDescriptor, value: Any) -> None:
    if not field.is_repeated:
        if field.message_type is None:
            setattr(message, field.name, _scalar(field, value))
        else:
            getattr(message, field.name).SetInParent()
            _fill(getattr(message, field.name), value)
        return
    if not isinstance(value, list):
        raise ValueError("an array is wanted")
    for element in value:
        if field.message_type is None:
            getattr(message, field.name).append(_scalar(field, element or ""))
        else:
            _fill(getattr(message, field.name).add(), {} if element is None else element)


def _scalar(field: FieldDescriptor, value: Any) -> Any:
    if field.name in IDS:
        return _identity(value, IDS[field.name])
    if field.enum_type is not None:
        return _enumerated(field, value)
    match field.type:
        case FieldDescriptor.TYPE_STRING:
            return _checked(value, str)
        case FieldDescriptor.TYPE_BYTES if field.name != "bytes_value":
            return _checked(value, str).encode()
        case FieldDescriptor.TYPE_BYTES:
            return base64.b64decode(_checked(value, str))
        case FieldDescriptor.TYPE_BOOL:
            return _checked(value, bool)
        case FieldDescriptor.TYPE_DOUBLE:
            return float(value)
        case _:
            return _integer(value)


def _checked(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{kind.__name__} is wanted")
    return value


def _identity(value: Any, size: int) -> bytes:
    if not re.fullmatch(f"([0-9a-fA-F]{{{2 * size}}})?", _checked(value, str)):
        raise ValueError("an id of the wrong length")
    return bytes.fromhex(value)


def _enumerated(field: FieldDescriptor, value: Any) -> int:
    names: dict[str, Any] = dict(field.enum_type.values_by_name) if field.enum_type is not None else {}
    if isinstance(value, str) and not re.fullmatch("-?[0-9]+", value):
        return names[value].number if value in names else 0
    return _integer(value)


def _integer(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError("a whole number is wanted")
    return int(value)
