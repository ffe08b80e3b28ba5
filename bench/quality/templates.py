"""How well templates are learned from paths alone: generated route sets, and recorded applications less their routes."""

from __future__ import annotations

import gzip
import json
import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from apisec_otel import _native, semconv
from apisec_otel.processors.endpoints import Endpoints
from apisec_otel.processors.requests import Requests
from apisec_otel.spans.columns import records
from bench.pages import ROOT

START = 1_767_225_600 * 10**9
DATA = ROOT / "tests" / "data"
RECORDED = ("vampi_default", "dvrestaurant_default")
SETS = ("mixed", "nested", "slugs", "usernames")
SIZES = (500, 2_000, 10_000, 40_000)
BATCH = 500

SYLLABLES = ["ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu", "va", "we", "xi", "yo", "zu"]


@dataclass(frozen=True)
class Asked:
    """A request that was generated, with the template it was made of."""

    path: str
    template: str


def _name(random_: random.Random, parts: int) -> str:
    return "".join(random_.choice(SYLLABLES) for _ in range(parts))


KINDS: dict[str, Callable[[random.Random], str]] = {
    "int": lambda r: str(r.randrange(1, 10**6)),
    "uuid": lambda r: "-".join(f"{r.getrandbits(4 * n):0{n}x}" for n in (8, 4, 4, 4, 12)),
    "hex": lambda r: f"{r.getrandbits(96):024x}",
    "date": lambda r: f"2026-{r.randrange(1, 13):02d}-{r.randrange(1, 29):02d}",
    "user": lambda r: _name(r, 3),
    "slug": lambda r: "-".join(_name(r, 2) for _ in range(3)),
    "prefixed": lambda r: "cus_" + "".join(r.choice("abcdefGHJKLM23456") for _ in range(12)) + "a4",
}
TEMPLATES = {
    "mixed": (
        *("/api/v1/users", "/api/v1/users/me", "/api/v1/users/<user>", "/api/v1/users/<user>/posts", "/api/v1/users/<user>/posts/<int>"),
        *("/api/v1/orders", "/api/v1/orders/<int>", "/api/v1/orders/<int>/items/<int>", "/api/v1/orders/search", "/api/v1/carts/<uuid>"),
        *("/api/v1/products", "/api/v1/products/<slug>", "/api/v1/products/<slug>/reviews", "/api/v1/files/<hex>", "/api/v1/login"),
        *("/api/v1/reports/<date>", "/api/v1/customers/<prefixed>", "/api/v2/users/<uuid>", "/health", "/api/v1/tags/<slug>"),
    ),
    "nested": ("/<user>/<slug>", "/<user>/<slug>/issues", "/<user>/<slug>/issues/<int>", "/<user>/<slug>/tree/<user>"),
    "slugs": ("/blog", "/blog/<slug>", "/blog/<slug>/comments", "/shop/<slug>", "/shop/<slug>/<slug>", "/about", "/contact"),
    "usernames": ("/users/<user>", "/users/me", "/users/<user>/profile", "/users/<user>/friends/<user>", "/users/search"),
}


def generated(name: str, size: int, seed: int = 7) -> list[Asked]:
    """`size` requests of a set's templates, all as frequent."""
    random_ = random.Random(f"{name} {seed}")
    return [_asked(random_, random_.choice(TEMPLATES[name])) for _ in range(size)]


def _asked(random_: random.Random, template: str) -> Asked:
    segments = template.split("/")
    path = [KINDS[each[1:-1]](random_) if each.startswith("<") else each for each in segments]
    return Asked("/".join(path), "/".join("{id}" if each.startswith("<") else each for each in segments))


def request(paths: Sequence[str], first: int, *, status: int = 200, gap: int = 20_000_000) -> bytes:
    """One request of spans without routes, `gap` ns apart; `first` is the number of the first."""
    made = ExportTraceServiceRequest()
    group = made.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    spans = group.scope_spans.add().spans
    for number, path in enumerate(paths, first):
        start = START + number * gap
        span = spans.add(kind=2, trace_id=(number + 1).to_bytes(16, "big"), span_id=(number + 1).to_bytes(8, "big"))
        span.start_time_unix_nano, span.end_time_unix_nano = start, start + 10**6
        span.attributes.add(key="http.request.method").value.string_value = "GET"
        span.attributes.add(key="url.path").value.string_value = path
        span.attributes.add(key="http.response.status_code").value.int_value = status
    return made.SerializeToString()


class Learner:
    """The native steps up to endpoints."""

    def __init__(self, endpoints: Endpoints | None = None) -> None:
        self.words = _native.Vocabulary(semconv.vocabulary_json(), bytes(range(16)))
        self.requests = _native.Requests(json.dumps(Requests().for_native()), self.words)
        self.endpoints = _native.Endpoints(json.dumps((endpoints or Endpoints()).for_native()), self.words)
        self.seconds = 0.0

    def batch(self, message: bytes) -> Any:
        """Processes one request."""
        batch = _native.decode([message], self.words)
        self.requests.process(batch)
        start = time.perf_counter()
        self.endpoints.process(batch)
        self.seconds += time.perf_counter() - start
        return batch

    def keys(self, message: bytes) -> list[int]:
        """The endpoint of each row."""
        return [int(key) for key in records(self.batch(message))["endpoint"]]

    def template(self, key: int) -> str:
        """The template of an endpoint as it is called by now."""
        return str(self.endpoints.name(self.endpoints.current(key))).split(" ", 2)[2]


def accuracy(asked: Sequence[Asked]) -> tuple[float, float]:
    """Share of requests whose endpoint, as it is called at the end, is the true template; paths a second."""
    learner = Learner()
    keys: list[int] = []
    for at in range(0, len(asked), BATCH):
        keys += learner.keys(request([each.path for each in asked[at : at + BATCH]], at))
    learner.batch(request(["/health"], len(asked) + 1_000))
    right = sum(learner.template(key) == each.template for key, each in zip(keys, asked, strict=True))
    return right / len(asked), len(asked) / learner.seconds


def recorded(name: str) -> tuple[int, float]:
    """Successes of a recorded application that have a route, and the share whose template is found when routes are taken away."""
    with gzip.open(DATA / f"{name}.otlp.jsonl.gz") as file:
        lines = file.read().splitlines()
    truth, blind, keys, wanted = Learner(), Learner(), [], []
    for line in lines:
        rows = records(truth.batch(_native.transcode(line)))
        given = (rows["succeeded"] == 1) & (rows["route"] != 0)
        wanted += [re.sub(r"{[^}]*}", "{id}", truth.template(int(key))) for key in rows["endpoint"][given]]
        less = line.replace(b'"key":"http.route"', b'"key":"taken.away"')
        keys += [int(key) for key in records(blind.batch(_native.transcode(less)))["endpoint"][given]]
    right = sum(blind.template(key) == template for key, template in zip(keys, wanted, strict=True))
    return len(wanted), right / len(wanted)


def measure() -> list[str]:
    """Both tables."""
    lines = ["| routes | " + " | ".join(f"{size:,} paths" for size in SIZES) + " | paths/s |", "| --- |" + " ---: |" * (len(SIZES) + 1)]
    for name in SETS:
        found = [accuracy(generated(name, size)) for size in SIZES]
        lines.append(f"| {name} | " + " | ".join(f"{right:.1%}" for right, _ in found) + f" | {found[-1][1]:,.0f} |")
    lines += ["", "| recorded | requests | right |", "| --- | ---: | ---: |"]
    for name in RECORDED:
        count, right = recorded(name)
        lines.append(f"| {name.partition('_')[0]} | {count} | {right:.1%} |")
    return lines
