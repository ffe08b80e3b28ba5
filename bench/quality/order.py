"""Order: walks through object numbers, from 8 pods that flush every 5 seconds, judged in order of time and as they arrive."""

from __future__ import annotations

import random
from collections.abc import Iterator
from importlib import import_module

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from apisec_otel.cli.options import packaged
from apisec_otel.cli.replay_engine import ReplayEngine, engine_of
from apisec_otel.config import read
from apisec_otel.detectors.bola_walk import BolaWalk
from apisec_otel.plan.build import build
from apisec_otel.plan.draft import Chosen
from apisec_otel.spans.batch import SpanBatch
from bench.spans import answered, exported

SECOND = 10**9
START = 1_767_225_600 * SECOND
PODS = 8
FLUSH = 5.0
"""Seconds between two exports of a pod, as the batch processors of the SDKs have it."""
WALKS = 200
PEOPLE = 400
SETTINGS = BolaWalk()

Call = tuple[float, str, int]
"""Seconds after the start, who, and the number of the object."""


def walks(chance: random.Random) -> Iterator[Call]:
    """Each walker takes 14 to 20 steps up or down, a request each 0.3 to 2 s."""
    for walker in range(WALKS):
        at, number, way = chance.uniform(0, 600), chance.randint(1_000, 90_000), chance.choice([1, -1])
        for _ in range(chance.randint(14, 20) + 1):
            yield at, f"walker{walker}", number
            at, number = at + chance.uniform(0.3, 2), number + way * chance.randint(1, 3)


def visits(chance: random.Random) -> Iterator[Call]:
    """People open orders of their own, now and then the next or the one before."""
    for person in range(PEOPLE):
        own = [chance.randint(1_000, 90_000) for _ in range(12)]
        at = chance.uniform(0, 600)
        for _ in range(30):
            yield at, f"person{person}", chance.choice(own) + chance.choice([0, 0, 0, 1, -1])
            at += chance.expovariate(0.2)


def exports(calls: list[Call], chance: random.Random) -> list[bytes]:
    """The calls as the requests that arrive: each on some pod, each pod's spans last first, every 5 s at a time of its own."""
    phases = [chance.uniform(0, FLUSH) for _ in range(PODS)]
    flushes: dict[tuple[float, int], list[Span]] = {}
    for number, (at, who, thing) in enumerate(sorted(calls), 1):
        pod = chance.randrange(PODS)
        turns = (at + 0.02 - phases[pod]) // FLUSH + 1
        flushes.setdefault((phases[pod] + turns * FLUSH, pod), []).append(_span(number, at, who, thing))
    return [exported(spans[::-1]) for _, spans in sorted(flushes.items(), key=lambda item: item[0])]


def found(requests: list[bytes]) -> tuple[set[int], set[int]]:
    """Who was found: judged in order, and by the same detector over the same requests as they arrived."""
    settings = [f"processors::detect::detectors::{id}::mode={'alert' if id == 'bola_walk' else 'off'}" for id in ("bola_walk", *_others())]
    engine = engine_of(read([str(packaged("replay"))], settings))
    assert isinstance(engine, ReplayEngine)
    plan = import_module("apisec_otel._native").Plan(build([Chosen(id="bola_walk", detector=SETTINGS)]).spec)
    ordered: set[int] = set()
    arrived: set[int] = set()
    for request in requests:
        batch: SpanBatch = engine.process([request]).batch
        ordered |= {finding.entity for finding in batch.findings}
        arrived |= {entity for _, _, _, _, entity, _ in plan.run(batch.native).raised}
    rest = engine.finish()
    return ordered | {finding.entity for finding in rest.batch.findings} if rest else ordered, arrived


def walkers() -> set[int]:
    """The ids of who walks: alone, in order of time."""
    chance = random.Random(7)
    calls = sorted(walks(chance))
    return found([exported([_span(number, *call) for number, call in enumerate(calls, 1)])])[0]


def judged() -> tuple[int, int, int, int]:
    """Walkers, those found in order, those found as they arrived, others accused."""
    guilty = walkers()
    chance = random.Random(7)
    calls = [*walks(chance), *visits(chance)]
    ordered, arrived = found(exports(calls, chance))
    return len(guilty), len(guilty & ordered), len(guilty & arrived), len((ordered | arrived) - guilty)


def measure() -> list[str]:
    """What order is worth."""
    count, ordered, arrived, accused = judged()
    return [
        "| order | walks found | share |",
        "| --- | --- | --- |",
        f"| of time (`Step` rows) | {ordered} of {count} | {ordered / count:.1%} |",
        f"| of arrival | {arrived} of {count} | {arrived / count:.1%} |",
        "",
        f"Of {PEOPLE} people who walk nowhere, {accused} were accused.",
    ]


def _others() -> list[str]:
    from apisec_otel.builtin import known

    return [id for id in known("detectors") if id != "bola_walk"]


def _span(number: int, at: float, who: str, thing: int) -> Span:
    told = {"http.request.method": "GET", "url.path": f"/orders/{thing}", "http.route": "/orders/{id}", "user.id": who}
    return answered(number, START + round(at * SECOND), told)
