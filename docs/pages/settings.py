"""Settings of a dataclass as rows: key, what may stand there, default, meaning."""

import typing
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, timedelta
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Interval
from pydantic import BeforeValidator, SecretStr

from apisec_otel.component import Nested, spelled
from apisec_otel.config.duration import format_duration
from apisec_otel.config.schema import attribute_docs
from apisec_otel.config.settings import default_of, type_hints
from docs.pages import markdown

HEAD = ("setting", "is", "default", "meaning")
MISSING = object()
_WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    SecretStr: "text, never shown",
    timedelta: "duration",
    date: "date",
    Any: "number, text, true or false",
}


def settings_table(cls: type) -> str:
    """All settings of a class, those of inner maps under `outer::inner`; words for a class that has none."""
    return markdown.table(HEAD, rows(cls)) or "No settings."


def rows(cls: type, prefix: str = "", whole: Any = MISSING) -> Iterator[tuple[str, str, str, str]]:
    """A row for each setting; `whole` is the outer setting's default, where there is one."""
    docs, hints = attribute_docs(cls), type_hints(cls)
    for name in (each.name for each in fields(cls) if each.init):
        hint, nested = hints[name], _nested(hints[name])
        default = _default(cls, name) if whole is MISSING or whole is None else getattr(whole, name)
        inner = _dataclass(hint)
        each = _element(hint)
        key = f"{prefix}{spelled(name)}"
        yield f"`{key}`", _kind(hint), _shown(default, _is_size(hint), (inner or each) is not None), docs.get(name, "")
        if inner:
            yield from rows(inner, f"{prefix}{name}::", default)
        elif each:
            yield from rows(each, f"{prefix}{name}::<each>::")
        if nested:
            yield from rows(nested.beside, f"{prefix}{name}::<each>::")


def _default(cls: type, name: str) -> Any:
    try:
        return default_of(cls, name)
    except KeyError:
        return MISSING


def _bare(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type less `| None`, and what it is annotated with."""
    if get_origin(hint) is Annotated:
        return _bare(get_args(hint)[0])[0], get_args(hint)[1:]
    if get_origin(hint) in (typing.Union, UnionType):
        some = [each for each in get_args(hint) if each is not type(None)]
        return _bare(some[0])
    return hint, ()


def _nested(hint: Any) -> Nested | None:
    return next((mark for mark in _bare(hint)[1] if isinstance(mark, Nested)), None)


def _dataclass(hint: Any) -> type | None:
    bare, _ = _bare(hint)
    return bare if isinstance(bare, type) and is_dataclass(bare) else None


def _element(hint: Any) -> type | None:
    """Of a list or map of dataclasses, theirs."""
    bare, _ = _bare(hint)
    inner = [_dataclass(each) for each in get_args(bare)] if get_origin(bare) in (tuple, dict, Mapping) else []
    return None if _nested(hint) else next((each for each in inner if each), None)


def _is_size(hint: Any) -> bool:
    bare, marks = _bare(hint)
    return bare is int and any(isinstance(mark, BeforeValidator) for mark in marks)


def _kind(hint: Any) -> str:
    bare, marks = _bare(hint)
    if _nested(hint):
        return "map: id to settings"
    if _dataclass(hint):
        return "map"
    if _is_size(hint):
        return "size"
    origin = get_origin(bare)
    if origin is Literal:
        return " or ".join(f"`{word}`" for word in get_args(bare) if word)
    if origin is tuple:
        return f"list: {_kind(get_args(bare)[0])}"
    if origin in (dict, Mapping):
        return f"map: {_kind(get_args(bare)[1])}"
    return ", ".join((_WORDS[bare], *(_bounds(mark) for mark in marks if isinstance(mark, Interval))))


def _bounds(mark: Interval) -> str:
    words = (("at least", mark.ge), ("above", mark.gt), ("at most", mark.le), ("below", mark.lt))
    return ", ".join(f"{word} {_plain(value)}" for word, value in words if value is not None)


def _plain(value: Any) -> str:
    if isinstance(value, timedelta):
        return format_duration(value).replace("1d", "24h")
    return f"{value:,}" if isinstance(value, int) else str(value)


def _shown(default: Any, size: bool, inner: bool) -> str:
    if default is MISSING:
        return "required"
    if default is None:
        return "unset"
    if inner:
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if size:
        return f"`{default >> 20}MiB`"
    if isinstance(default, timedelta):
        return f"`{_plain(default)}`"
    if isinstance(default, tuple | list | dict):
        return f"`[{', '.join(map(_item, default))}]`" if default else "none"
    return f"`{default}`" if default != "" else "empty"


def _item(value: Any) -> str:
    return str(value) if isinstance(value, str | int) else _plain(value)
