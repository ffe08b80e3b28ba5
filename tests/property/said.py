"""Requests that mostly say the usual, as OTLP with texts of any bytes, and as the oracle of payloads takes them."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_from_bytes

from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from tests.otlp import attributes, span

from apisec_otel import semconv
from apisec_otel.testing.reference.payload import Sent

USUAL = (b"7", b"12", b"999", b"red", b"blue shoes", b"o'neill")
VALUES = (*USUAL, b"a+b", b"x~y", b"%41%42", b"2-1", "ä".encode(), b"%00", b"", b"A-9", b"0" * 40, b"../../etc/passwd")
ODD = (
    *(b"1' or '1'='1' --", b"<script>alert(1)</script>", b"${jndi:ldap://x}", b"zz|zz", b"q\tq", "é".encode() * 30, b"%2527", b"b" * 300),
    *(b"\xff\xfe", b"\xc0\xaf", b"a\r\nb: c", b"%u0027", b";cat /etc/passwd", b"k" * 5000),
)
NAMES = (b"id", b"page", b"q", b"sort", b"filter[a]", b"we~ird", b"x", b"", b"\xff", *(b"n%d" % at for at in range(40)))
WORDS = (b"orders", b"items", b"users", b"me", b"a", b"b", b"c", b"..", b"7f3a9c12d4")
HEADERS = ("referer", "x_forwarded_host", "x-api-key", "accept", "authorization")

Text = bytes | tuple[bytes, ...]


@dataclass(frozen=True)
class Told:
    """A request as it is sent."""

    at: float
    service: str
    version: str
    path: bytes
    query: bytes
    agent: bytes
    keys: dict[str, Any]
    sent: tuple[tuple[str, Text], ...]


class Traffic:
    """Draws one request after the other."""

    def __init__(self, seed: int, *, services: int = 2) -> None:
        self._chance, self._services = random.Random(seed), services
        self._at, self._version = 0.0, 1
        self._rollouts = self._chance.choice((0, 0.004, 0.02))

    def draw(self, count: int) -> list[Told]:
        """The next ones."""
        return [self._one() for _ in range(count)]

    def _rarely(self, share: float) -> bool:
        return self._chance.random() < share

    def _value(self) -> bytes:
        return self._chance.choice(ODD if self._rarely(0.04) else VALUES if self._rarely(0.1) else USUAL)

    def _one(self) -> Told:
        chance, form = self._chance, self._rarely(0.15)
        self._at += chance.choice((0, 0.01, 0.3, 1.0)) + (chance.choice((100, 4_000)) if self._rarely(0.005) else 0)
        self._version += self._rarely(self._rollouts)
        return Told(
            at=self._at - (chance.choice((30, 2_000)) if self._rarely(0.01) else 0),
            service=f"shop{chance.randrange(self._services)}",
            version=str(self._version - self._rarely(0.1)),
            path=b"/form" if form else self._path(),
            query=self._form() if form else self._pairs(chance.choice((0, 0, 0, 1, 3))),
            agent=chance.choice((b"shop/1.0", b"shop/1.1", b"" if self._rarely(0.5) else chance.choice(ODD))),
            keys={"http.route": chance.choice(("/orders/{id}", "")), "user.id": chance.choice(("", f"user{chance.randrange(60)}")),
                  "http.response.status_code": chance.choice((200, 200, 404, 500)), "client.address": f"203.0.113.{chance.randrange(90)}"},
            sent=self._sent(),
        )  # fmt: skip

    def _path(self) -> bytes:
        chance = self._chance
        parts = [chance.choice(WORDS[:2]), *([b"%d" % chance.randint(1, 99)] if self._rarely(0.6) else [])]
        if self._rarely(0.1):
            parts.append(chance.choice((*WORDS, *VALUES, *ODD)).replace(b"/", b"%2f").replace(b"?", b""))
        if self._rarely(0.02):
            parts += chance.choices((*WORDS, b""), k=chance.randint(8, 16))
        return b"/" + b"/".join(parts)

    def _pairs(self, more: int) -> bytes:
        chance = self._chance
        pairs = [(name, self._value()) for name in NAMES[:2] if not self._rarely(0.02)]
        pairs += [(chance.choice(NAMES), self._value()) for _ in range(more)]
        if self._rarely(0.005):  # more than has a score, or more than has a name
            pairs += [(b"n%d" % at, chance.choice(USUAL)) for at in range(chance.choice((70, 300)))]
        joined = b"&".join(name + b"=" + value.replace(b"&", b"%26") for name, value in pairs)
        written = chance.choice((b"", b"?", b"&")) * self._rarely(0.1) + joined + chance.choice((b"&bare", b"&")) * self._rarely(0.05)
        return written[: semconv.LIMITS["text"]]  # spans with longer texts are no rows

    def _form(self) -> bytes:
        """More names than are watched for being always there, of which one may be missing, and a value that is odd but no attack."""
        missing = self._chance.randrange(30) if self._rarely(0.2) else None
        fields = [b"f%d=%d" % (at, self._chance.randrange(90)) for at in range(30) if at != missing]
        return b"&".join([*fields, b"q=" + (b"zz~zz|[x]" if self._rarely(0.25) else b"%d" % self._chance.randrange(90))])

    def _sent(self) -> tuple[tuple[str, Text], ...]:
        drawn: list[tuple[str, Text]] = []
        if self._rarely(0.3):
            drawn.append(("http.request.body.content", self._body()))
        if self._rarely(0.3):
            drawn.append((f"http.request.header.{self._chance.choice(HEADERS)}", self._value()))
        if self._rarely(0.1):
            drawn.append(("http.request.header.x-list", tuple(self._value() for _ in range(self._chance.randint(0, 3)))))
        if self._rarely(0.2):
            drawn.append(("http.request.header.cookie", b"sid=%d; theme=%s" % (self._chance.randint(1, 9), self._value())))
        if self._rarely(0.1):
            drawn.append(("servlet.request.parameter.id", self._value()))
        self._chance.shuffle(drawn)
        return tuple(drawn)

    def _body(self) -> bytes:
        chance, text = self._chance, quote_from_bytes(self._value(), safe=" '<>|")
        fields = {"a": chance.randint(1, 9), "b": [text, {"c": True, "e": [None, -1.5e3]}, "after"], "d": text, "we~ird": {}}
        names = chance.sample(sorted(fields), chance.choice((4, 4, 4, 2)))
        written = json.dumps({name: fields[name] for name in names} if self._rarely(0.9) else [1, *fields.values()] * 30,
                             indent=chance.choice((None, None, 2)), ensure_ascii=self._rarely(0.5)).encode()  # fmt: skip
        others = (self._pairs(0), b"<a b='1'>" + self._value() + b"</a>", b" ", self._value(), b" \n" + written)
        return chance.choice(others) if self._rarely(0.3) else written


def otlp(number: int, told: Told) -> bytes:
    """As OTLP; texts are any bytes, as senders that do not check them write."""
    made = span(number, {key: value for key, value in told.keys.items() if value}, at=told.at).SerializeToString()
    texts = {"http.request.method": b"GET", "url.path": told.path, "url.query": told.query, "user_agent.original": told.agent}
    for key, text in (*texts.items(), *told.sent):
        made += _field(9, _field(1, key.encode()) + _field(2, _value(text))) if text else b""
    resource = Resource(attributes=attributes({"service.name": told.service, "service.version": told.version}))
    return _field(1, _field(1, resource.SerializeToString()) + _field(2, _field(2, made)))


def _value(text: Text) -> bytes:
    return _field(1, text) if isinstance(text, bytes) else _field(5, b"".join(_field(1, _field(1, each)) for each in text))


def _field(number: int, content: bytes) -> bytes:
    length, written = len(content), b""
    while length >= 128:
        length, written = length >> 7, written + bytes([length & 127 | 128])
    return bytes([number << 3 | 2]) + written + bytes([length]) + content


def asked(row: Any, told: Told) -> Sent:
    """The same request for the oracle, with the ids and the time that the product gave it."""
    texts: list[tuple[str, bytes]] = []
    for key, text in told.sent:
        several: Sequence[bytes] = text if isinstance(text, tuple) else (text,) if text else ()
        texts += [(key, each) for each in several]
    return Sent(
        stream=int(row["stream"]),
        service=int(row["service"]),
        endpoint=int(row["endpoint"]),
        teacher=next((int(row[name]) for name in ("principal", "session", "client") if row[name]), 0),
        version=int(row["version"]),
        late=row["late"] == 1,
        path=told.path,
        query=told.query,
        agent=told.agent,
        attributes=tuple(texts),
    )
