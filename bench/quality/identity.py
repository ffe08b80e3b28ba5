"""Identity: whose request is whose, among people who share addresses and attackers who rotate what gives them away."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from apisec_otel import semconv
from apisec_otel.findings.links import Links, LinkSettings
from apisec_otel.processors.decide import DecideSettings
from apisec_otel.processors.requests import Requests
from apisec_otel.processors.sessions import Sessions
from apisec_otel.spans.columns import records
from bench.spans import answered, exported

SECOND = 10**9
START = 1_767_225_600 * SECOND
HOUR = 3600.0
WARM, DAY = 2 * HOUR, 10 * HOUR
"""What comes before WARM is not judged: that an address is many people's must have been seen."""
AGENTS = [f"Browser/{number}" for number in range(12)]
"""The first ones are the most common."""
MOBILE = [f"198.51.100.{host}" for host in range(1, 5)]
"""Addresses that all phones away from home share."""
LINKED = 0.125
"""From this strength on two are taken for one: two links seen together, one of them a half-life old."""
BATCH = 256
HOW = ("user", "token", "nothing")
"""What an application tells of people: their id, a token that is refreshed every hour, or nothing."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, and whose it is."""

    at: float
    actor: str
    client: str
    agent: str
    user: str = ""
    token: str = ""


def population(seed: int, people: int, attackers: int) -> list[Call]:
    """The requests of a day, in order of time: people at home, in an office and on the road, and attackers of each kind."""
    chance = random.Random(seed)
    calls = [*_homes(chance, people), *_office(chance, people // 6)]
    for number in range(attackers):
        calls += _attack(chance, f"attacker{number}", KINDS[number % len(KINDS)])
    return sorted(calls, key=lambda call: call.at)


def _agent(chance: random.Random) -> str:
    return AGENTS[min(int(chance.expovariate(0.4)), len(AGENTS) - 1)]


def _homes(chance: random.Random, people: int) -> Iterator[Call]:
    """One to four people behind an address, each with a computer there and a phone that leaves the house."""
    home = left = 0
    six = False
    for number in range(people):
        if not left:
            home, left, six = home + 1, chance.randint(1, 4), chance.random() < 0.3
        left -= 1
        computer, phone, how = _agent(chance), _agent(chance), chance.choices(HOW, (4, 4, 2))[0]
        for at in _visits(chance):
            away = chance.random() < 0.4
            # An IPv6 host takes another address of its network at every visit.
            address = f"2001:db8:0:{home:x}::{chance.getrandbits(16):x}" if six else f"203.{home >> 8}.{home & 255}.7"
            place = chance.choice(MOBILE) if away else address
            yield from _visit(chance, at, f"person{number}", place, phone if away else computer, how)


def _office(chance: random.Random, people: int) -> Iterator[Call]:
    """All behind one address, on three kinds of machines."""
    for number in range(people):
        agent, how = chance.choice(AGENTS[:3]), chance.choice(HOW[:2])
        for at in _visits(chance):
            yield from _visit(chance, at, f"clerk{number}", "192.0.2.80", agent, how)


def _visits(chance: random.Random) -> list[float]:
    return sorted(chance.uniform(0, DAY - HOUR / 2) for _ in range(chance.randint(2, 5)))


def _visit(chance: random.Random, at: float, actor: str, client: str, agent: str, how: str) -> Iterator[Call]:
    for _ in range(chance.randint(8, 20)):
        told = {"user": {"user": actor}, "token": {"token": f"{actor}@{int(at // HOUR)}"}, "nothing": {}}[how]
        yield Call(at, actor, client, agent, **told)
        at += chance.expovariate(1 / 20)


KINDS = ("address", "token", "agent", "address and token by turns", "agent, no token", "among six tokens", "all at once")
"""What an attacker rotates."""


def _attack(chance: random.Random, actor: str, kind: str) -> Iterator[Call]:
    """120 requests, with something else at every tenth."""
    at, agent, number = chance.uniform(WARM, DAY - HOUR), _agent(chance), chance.getrandbits(16)
    for request in range(120):
        turn = request // 10
        addresses = {"address": turn, "address and token by turns": (turn + 1) // 2, "all at once": turn}.get(kind, 0)
        tokens = {"token": turn, "address and token by turns": turn // 2, "among six tokens": request % 6, "all at once": turn}.get(kind, 0)
        rotates_agent = kind.startswith("agent") or kind == "all at once"
        yield Call(
            at,
            actor,
            f"100.{64 + addresses}.{number >> 8}.{number & 255}",
            AGENTS[turn % len(AGENTS)] if rotates_agent else agent,
            token="" if kind == "agent, no token" else f"{actor}-{tokens}",
        )
        at += chance.expovariate(1 / 10)


@dataclass
class Groups:
    """Which ids are one: the smallest that a chain of links leads to."""

    above: dict[Hashable, Hashable] = field(default_factory=dict)

    def of(self, id: Hashable) -> Hashable:
        """What stands for an id."""
        while (up := self.above.setdefault(id, id)) != id:
            self.above[id] = id = self.above[up]
        return id

    def join(self, one: Hashable, other: Hashable) -> None:
        """Takes two for one from now on."""
        self.above[self.of(one)] = self.of(other)


def judged(calls: Sequence[Call]) -> dict[str, list[Hashable]]:
    """By way of telling callers apart: the group of each call after WARM."""
    native = import_module("apisec_otel._native")
    words = native.Vocabulary(semconv.vocabulary_json(), bytes(range(16)))
    steps = [getattr(native, type(each).__name__)(json.dumps(each.for_native()), words) for each in (Requests(), Sessions())]
    settings = DecideSettings()
    links = Links(LinkSettings(bytes=settings.links, half_life=int(settings.link_half_life.total_seconds()) * SECOND, hub=settings.hub))
    groups, sessions, actors = Groups(), [], []
    for first in range(0, len(calls), BATCH):
        taken = calls[first : first + BATCH]
        batch = native.decode([exported([_span(number, call) for number, call in enumerate(taken, first + 1)])], words)
        for step in steps:
            step.process(batch)
        links.begin(batch)
        links.follow(len(batch))
        rows = records(batch)
        sessions += rows["session"].tolist()
        who = [principal or session for principal, session in zip(rows["principal"].tolist(), rows["session"].tolist(), strict=True)]
        actors += who
        if taken[0].at >= WARM:
            _join(groups, links, set(who), set(actors), int(rows["stream"][-1]))
    late = [number for number, call in enumerate(calls) if call.at >= WARM]
    ways: dict[str, Sequence[Hashable]] = {
        "address": [call.client for call in calls],
        "address and user agent": [(call.client, call.agent) for call in calls],
        "sessions": sessions,
        "sessions and links": [groups.of(actor) for actor in actors],
    }
    return {way: [said[number] for number in late] for way, said in ways.items()}


def _join(groups: Groups, links: Links, present: Iterable[int], known: set[int], now: int) -> None:
    for actor in sorted(present):
        for other, strength in links.near(actor, now):
            if strength >= LINKED and other in known:
                groups.join(actor, other)


def score(truth: Sequence[Hashable], said: Sequence[Hashable]) -> tuple[float, float, float]:
    """Precision, recall and F1 over pairs of requests: said to be one caller's, and are."""

    def pairs(counted: Iterable[Hashable]) -> int:
        return sum(count * (count - 1) // 2 for count in Counter(counted).values())

    right = pairs(zip(truth, said, strict=True))
    precision, recall = right / max(1, pairs(said)), right / max(1, pairs(truth))
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


@dataclass(frozen=True, slots=True)
class Scores:
    """Over pairs of requests."""

    precision: float
    recall: float
    f1: float
    guilty: float
    """Recall of the attackers' requests alone."""
    kinds: dict[str, float]
    """The same by what they rotate."""


def scores(seed: int, people: int, attackers: int) -> dict[str, Scores]:
    """How each way of telling callers apart does."""
    calls = population(seed, people, attackers)
    truth = [call.actor for call in calls if call.at >= WARM]
    return {way: Scores(*score(truth, said), *_found(truth, said)) for way, said in judged(calls).items()}


def _found(truth: Sequence[str], said: Sequence[Hashable]) -> tuple[float, dict[str, float]]:
    """The recall of attackers' requests alone: of all, and by what they rotate."""
    groups: dict[str, list[int]] = {}
    for number, actor in enumerate(truth):
        if actor.startswith("attacker"):
            groups.setdefault(KINDS[int(actor.removeprefix("attacker")) % len(KINDS)], []).append(number)

    def recall(numbers: Sequence[int]) -> float:
        return score([truth[number] for number in numbers], [said[number] for number in numbers])[1]

    return recall([number for numbers in groups.values() for number in numbers]), {kind: recall(groups[kind]) for kind in KINDS}


def measure() -> list[str]:
    """How well callers are told apart."""
    found = scores(7, people=600, attackers=105)
    lines = ["| callers told apart by | precision | recall | F1 | attackers' recall |", "| --- | ---: | ---: | ---: | ---: |"]
    lines += [f"| {way} | {one.precision:.3f} | {one.recall:.3f} | {one.f1:.3f} | {one.guilty:.3f} |" for way, one in found.items()]
    lines += ["", f"| attackers who rotate | {' | '.join(found)} |", f"| --- |{' ---: |' * len(found)}"]
    lines += [f"| {kind} | {' | '.join(f'{one.kinds[kind]:.3f}' for one in found.values())} |" for kind in KINDS]
    return lines


def _span(number: int, call: Call) -> Span:
    told = {
        "http.request.method": "GET",
        "http.route": "/orders",
        "url.path": "/orders",
        "client.address": call.client,
        "user_agent.original": call.agent,
        "user.id": call.user,
        "http.request.header.authorization": call.token and f"Bearer {call.token}",
    }
    return answered(number, START + round(call.at * SECOND), told)
