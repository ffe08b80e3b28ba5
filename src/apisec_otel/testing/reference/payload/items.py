"""What was sent, item by item: parameters, leaves of a body, headers and cookies; and which segments of a path are values.

The page leaves open, and the product chose:

* a leaf of JSON goes by the last name before it, also behind an inner object that has ended;
* a body that begins like JSON is JSON, one that begins with `<` or holds no `=` is one item `{body}`, any other a form;
* a cookie without `=` has no name; what stands behind a proxy's or a language's prefix is a header, with dashes for underscores;
* of a path twelve segments are steps; what lies deeper is one value, without a step.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from apisec_otel import semconv

DEPTH = 12


@dataclass(frozen=True)
class Piece:
    """A named text: where it stands, whether `+` is a space there, and whether it comes from a body."""

    place: str
    name: bytes
    text: bytes
    plus: bool = False
    body: bool = False


def pieces(query: bytes, attributes: tuple[tuple[str, bytes], ...], agent: bytes) -> Iterator[Piece]:
    """All that was sent beside the path, in the order in which it is looked at."""
    yield from _form(query, body=False)
    for key, text in attributes:
        yield from _attribute(key, text)
    if agent:
        yield Piece("header", b"user-agent", agent)


def segments(path: bytes) -> tuple[list[bytes], bytes]:
    """The steps of a path, and what lies deeper."""
    parts = path.removeprefix(b"/").split(b"/")
    return parts[:DEPTH], b"/".join(parts[DEPTH:])


def is_typed(text: bytes) -> bool:
    """Whether a segment is no word: a number, an id, a list, something encoded."""
    digits = sum(48 <= byte <= 57 for byte in text)
    hexadecimal = sum(byte in b"0123456789abcdefABCDEF-" for byte in text)
    other = sum(byte >= 128 or byte in b"%,|=;:@ '" for byte in text)
    whole = len(text)
    number = digits == whole or hexadecimal == whole and whole >= 8 and digits > 0
    return whole > 0 and (number or other > 0 or whole > 48 or whole > 2 and digits * 2 >= whole)


def is_odd_name(name: bytes) -> bool:
    """Whether a name holds what names hardly hold."""
    return any(not (chr(byte).isascii() and chr(byte).isalnum() or byte in b"_-.[]") for byte in name)


def _attribute(key: str, text: bytes) -> Iterator[Piece]:
    for prefix in semconv.REQUEST_PREFIXES:
        if key.startswith(prefix):
            return (yield from _header(key.removeprefix(prefix).replace("_", "-").encode(), text))
    for prefix, how in semconv.SENT:
        if key.startswith(prefix):
            parameter = Piece("parameter", key.removeprefix(prefix).encode(), text)
            return (yield from _body(text) if how == "body" else [parameter])


def _header(name: bytes, text: bytes) -> Iterator[Piece]:
    if name == semconv.COOKIES.encode():
        for cookie in text.split(b";"):
            name, equals, value = cookie.lstrip(b"\t\n\x0c\r ").partition(b"=")
            yield Piece("header", b"cookie " + name, value) if equals else Piece("header", b"cookie ", name)
    elif name.decode() not in semconv.CREDENTIAL_HEADERS:
        yield Piece("header", name, text)


def _body(text: bytes) -> Iterator[Piece]:
    begin = text.lstrip(b"\t\n\x0c\r ")[:1]
    if begin in (b"{", b"["):
        for name, leaf in _leaves(text):
            yield Piece("parameter", name, leaf, body=True)
    elif begin not in (b"", b"<") and b"=" in text:
        yield from _form(text, body=True)
    elif begin:
        yield Piece("parameter", b"{body}", text, body=True)


def _form(text: bytes, *, body: bool) -> Iterator[Piece]:
    for pair in text.removeprefix(b"?").split(b"&"):
        name, equals, value = pair.partition(b"=")
        if pair:
            yield Piece("parameter", name if equals else b"{bare}", value if equals else pair, plus=True, body=body)


def _leaves(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Leaves by the last name before them; numbers as they are written, and names that stand twice as often as they stand."""
    written = json.loads(text, object_pairs_hook=_Pairs, parse_int=_Word, parse_float=_Word)
    last = b""
    for name, leaf in _walk(written):
        last = last if name is None else name
        if leaf is not None:
            yield last, leaf


class _Pairs(list[tuple[str, object]]):
    """An object, as pairs."""


class _Word(str):
    """A number, as it is written."""


def _walk(value: object) -> Iterator[tuple[bytes | None, bytes | None]]:
    """Names, and leaves, in the order in which they are written."""
    if isinstance(value, _Pairs):
        for name, each in value:
            yield name.encode(), None
            yield from _walk(each)
    elif isinstance(value, list):
        for each in value:
            yield from _walk(each)
    else:
        yield None, value.encode() if isinstance(value, str) else json.dumps(value).encode()
