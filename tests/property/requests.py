"""Random trace requests, written byte by byte: every order of fields, overlong varints, unknown fields, groups, bad UTF-8."""

from __future__ import annotations

import struct
from random import Random
from typing import Any

SOURCES: dict[str, list[tuple[str, str, str]]] = {
    "service": [("resource", "service.name", "text"), ("span", "peer.service", "text")],
    "environment": [("resource", "deployment.environment", "text")],
    "method": [("span", "http.request.method", "text"), ("span", "http.method", "text"), ("span", "rpc.method", "constant:POST")],
    "scheme": [("span", "url.scheme", "text"), ("span", "http.url", "url.scheme")],
    "host": [("span", "server.address", "host"), ("span", "http.url", "url.host")],
    "path": [("span", "url.path", "text"), ("span", "http.target", "target.path"), ("span", "http.url", "url.path")],
    "query": [("span", "url.query", "text"), ("span", "http.target", "target.query"), ("span", "http.url", "url.query")],
    "route": [("span", "http.route", "text")],
    "client": [("span", "client.address", "text"), ("resource", "client.address", "text")],
    "peer": [("span", "h.forwarded", "list")],
    "forwarded": [("span", "h.forwarded", "last")],
    "namespace": [("span", "h.forwarded", "joined")],
    "user": [("span", "user.id", "text")],
    "credential": [("span", "h.authorization", "credential"), ("span", "h.cookie", "cookie:sid")],
    "claim": [("span", "h.authorization", "claims:iss,sub")],
    "agent": [("span", "ua", "text")],
    "rpc": [("span", "rpc.method", "text")],
    "http": [("span", "http.route", "text")],
    "status": [("span", "rpc.status", "grpc_status"), ("span", "http.status_code", "number")],
    "request_size": [("span", "h.length", "number")],
}
SPEC: dict[str, Any] = {
    "kinds": [2, 0],
    "scope_route_names": ["otelhttp"],
    "missing": ["", "REDACTED", "-"],
    "reserved": "apisec.",
    "sent": ["http.request.header.", "http.request.body"],
    "columns": [
        {"column": column, "sources": [{"at": at, "key": key, "as": reading} for at, key, reading in sources]}
        for column, sources in SOURCES.items()
    ],
    "secret_headers": ["h.authorization", "h.cookie"],
    "query_carriers": ["url.query", "http.target", "http.url"],
    "secret_queries": ["token", "Sig"],
    "limits": {"attributes": 12, "text": 60, "depth": 64},
}
KEYS = [key for sources in SOURCES.values() for _, key, _ in sources]
KEYS += ["h.authorization", "h.cookie", "apisec.severity", "apisec.old", "other", "", "http.request.header.x-long-unknown-header"]
TEXTS = [
    *(b"", b"-", b"***", b"REDACTED", b"GET", b"200", b"7", b"-1.5", b"1e5", b"ok", b"NOT_FOUND", b"h:80", b"[::1]:80", b"::1"),
    *(
        b"/a/b?token=x1&b=2",
        b"http://u@h.x:1/p/q?sig=zz;y&%74oken=abc#token=q",
        b"?token=a?b&c",
        b"token=;x=1&sIG=**&sig=k",
        b"a=b=token=c",
        b"toke%6E=1&%53iG=2&xtoken=3&=token=4",
    ),
    *(b"Bearer  a b", b" bearer ***", b"Basic ", b'a=1; sid="2";sid=3', b" sid = 4 ;", b"sid=***;sid=5", b'sid="', b"Bearer e30.e30.x"),
    b"Bearer e30.eyJpc3MiOiJhIiwic3ViIjoiNyJ9.x",
    b"e30.eyJzdWIiOjd9.",
    *(b"\xff\xfe", b"caf\xc3\xa9", b"x" * 70, b"://h", b"https://h", b"/x#y?z", b"a;token=b&c", b"%tok=1&%7%74oken=2"),
]


def varint(random: Random, value: int) -> bytes:
    """A varint, at times overlong."""
    out = bytearray()
    value &= 2**64 - 1
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    if random.random() < 0.05:
        extra = random.randint(1, max(1, 5 - len(out)))
        if len(out) + extra <= 5:
            out[-1] |= 0x80
            out += b"\x80" * (extra - 1) + b"\x00"
    return bytes(out)


def field(random: Random, number: int, value: bytes | int | float) -> bytes:
    """A length-delimited field, a varint or a double."""
    if isinstance(value, bytes):
        return varint(random, number << 3 | 2) + varint(random, len(value)) + value
    if isinstance(value, float):
        return varint(random, number << 3 | 1) + struct.pack("<d", value)
    return varint(random, number << 3) + varint(random, value)


def unknown(random: Random, depth: int = 0) -> bytes:
    """A field that no message knows: any wire type, groups too."""
    number = random.choice([20, 99, 5000])
    match random.randrange(5 if depth < 3 else 4):
        case 0:
            return field(random, number, random.getrandbits(64))
        case 1:
            return varint(random, number << 3 | 1) + random.randbytes(8)
        case 2:
            return field(random, number, random.randbytes(random.randrange(6)))
        case 3:
            return varint(random, number << 3 | 5) + random.randbytes(4)
        case _:
            inner = b"".join(unknown(random, depth + 1) for _ in range(random.randrange(3)))
            return varint(random, number << 3 | 3) + inner + varint(random, number << 3 | 4)


def message(random: Random, fields: list[bytes]) -> bytes:
    """Fields put together, at times shuffled, doubled or among unknown ones."""
    if random.random() < 0.15:
        random.shuffle(fields)
    if random.random() < 0.05 and fields:
        fields.append(random.choice(fields))
    if random.random() < 0.1:
        fields.insert(random.randint(0, len(fields)), unknown(random))
    return b"".join(fields)


def any_value(random: Random, depth: int = 0) -> bytes:
    """A value of any kind, at times of two or none."""
    return message(random, [one_value(random, depth) for _ in range(random.choice([0, 1, 1, 1, 1, 1, 1, 1, 1, 2]))])


def one_value(random: Random, depth: int) -> bytes:
    match random.choice([1, 1, 1, 1, 2, 3, 3, 4, 5, 5, 6, 7] if depth < 4 else [1, 3]):
        case 1:
            return field(random, 1, random.choice(TEXTS))
        case 2:
            return field(random, 2, random.randrange(3))
        case 3:
            return field(random, 3, random.choice([200, 404, 7, 16, -3, 2**62]))
        case 4:
            return field(random, 4, random.choice([200.0, 1.5, float("nan"), 1e300, -0.0]))
        case 5:
            elements = [field(random, 1, any_value(random, depth + 1)) for _ in range(random.randrange(4))]
            return field(random, 5, message(random, elements))
        case 6:
            return field(random, 6, message(random, [field(random, 1, key_value(random, depth + 1)) for _ in range(random.randrange(3))]))
        case _:
            return field(random, 7, random.choice(TEXTS))


def key_value(random: Random, depth: int = 0) -> bytes:
    key, value = field(random, 1, random.choice(KEYS).encode()), field(random, 2, any_value(random, depth))
    fields = random.choice([[key, value]] * 8 + [[value, key], [key], [value], [value, key, value]])
    return message(random, list(fields))


def attributes(random: Random, number: int, most: int = 8) -> list[bytes]:
    return [field(random, number, key_value(random)) for _ in range(random.randint(0, most))]


def span(random: Random) -> bytes:
    fields = [field(random, 1, random.randbytes(random.choice([16, 16, 16, 0, 5])))]
    fields += [field(random, 2, random.randbytes(8)), field(random, 4, random.randbytes(random.choice([8, 0])))]
    fields += [field(random, 5, random.choice([b"GET /orders/{id}", b"GET", b"get /x", b"PUT ", *TEXTS]))]
    fields += [field(random, 6, random.choice([2, 2, 3, 0, 2**64 - 1, 2**32 + 2]))] * random.choice([1, 1, 1, 0])
    for number in (7, 8):
        fields.append(varint(random, number << 3 | 1) + struct.pack("<Q", random.choice([0, 10**18, 10**18 + random.randrange(10**10)])))
    fields += attributes(random, 9, random.choice([8, 8, 8, 16]))
    fields += [field(random, 11, message(random, [field(random, 2, b"e"), *attributes(random, 3, 2)])) for _ in range(random.randrange(2))]
    fields += [field(random, 13, message(random, attributes(random, 4, 2))) for _ in range(random.randrange(2))]
    fields.append(field(random, 15, message(random, [field(random, 3, 2)])))
    if random.random() < 0.1:
        fields.append(field(random, 6, random.choice([2, 3])))
    return message(random, fields)


def scope_spans(random: Random) -> bytes:
    scope = message(random, [field(random, 1, random.choice([b"otelhttp", b"x"])), *attributes(random, 3, 2)])
    spans = [field(random, 2, span(random)) for _ in range(random.randrange(5))]
    return message(random, [field(random, 1, scope), *spans, field(random, 3, b"schema")])


def resource_spans(random: Random) -> bytes:
    resource = field(random, 1, message(random, attributes(random, 1, 4)))
    scopes = [field(random, 2, scope_spans(random)) for _ in range(random.randrange(3))]
    return message(random, [resource, *scopes, field(random, 3, b"url")])


def request(random: Random) -> bytes:
    """One request."""
    return message(random, [field(random, 1, resource_spans(random)) for _ in range(random.randrange(4))])


def mutated(random: Random, content: bytes) -> bytes:
    """The same with a few bytes changed, dropped or doubled."""
    out = bytearray(content)
    for _ in range(random.randint(1, 4)):
        if not out:
            break
        at = random.randrange(len(out))
        match random.randrange(4):
            case 0:
                out[at] = random.randrange(256)
            case 1:
                del out[at : at + random.randint(1, 4)]
            case 2:
                out[at:at] = out[at : at + random.randint(1, 8)]
            case _:
                del out[at:]
    return bytes(out)
