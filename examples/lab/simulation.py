"""A place's days: who comes when, hour by hour, and everything they ask for in order of time."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Final

from examples.lab.calls import Call
from examples.lab.exporting import Exporter
from examples.lab.people import clients, customers, programs, staff
from examples.lab.people.visit import Steps, Visit
from examples.lab.place import Api, Place

START: Final = 1_772_409_600
"""Monday, 2 March 2026, 0:00 UTC."""
HOUR, DAY = 3600, 86_400
ROLLED: Final = 300
"""Seconds between the two pods of a deploy."""


@dataclass(frozen=True)
class Coming:
    """One kind of people: how they come and how much of the traffic they are."""

    kind: str
    visit: Callable[[Visit], Steps]
    share: float
    """Of the place's requests."""
    requests: float
    """In a visit, the mean: measured, so that a day has as many requests as asked for."""
    mobile: float = 0.0


COMING: Final = {
    "shop": (
        Coming("shopper", customers.shopper, 0.38, 21.0, 0.35),
        Coming("app", customers.app, 0.35, 36.0, 1.0),
    ),
    "bank": (Coming("customer", clients.customer, 0.85, 11.7, 0.6),),
    "saas": (Coming("member", clients.member, 0.67, 37.7, 0.1),),
}
PROGRAMS: Final = {"shop": "partner", "bank": "aggregator", "saas": "bot"}
SCANS_A_DAY: Final = 13.0
"""Visits of scanners, of some 5 hits each: with three places some 200 hits."""
CRAWLS_A_DAY: Final = 70.0
HOOKED_EVERY: Final = 35.0
"""Seconds."""


class Simulation:
    """One place over time. Attacks, if any, are more visits: honest people do the same with and without them."""

    def __init__(self, api: Api, seed: int, requests_a_day: float, scale: float) -> None:
        self.api, self._seed = api, f"{seed}"
        self.place = Place(api, api.population(Random(f"{seed}/{api.name}/people"), scale))
        self.exporter = Exporter(api.name, api.services, self._seed)
        self._a_day, self._scale = requests_a_day * api.share, scale
        self._heap: list[tuple[float, int, Call, Steps, Visit | None, Random]] = []
        self._pods = Random(f"{seed}/{api.name}/ids")
        self.attack_ids = Random(f"{seed}/{api.name}/attack ids")
        """What ids of attacks are made with: those of honest requests are the same with and without."""
        self._number = 0

    def begin(self, at: float, steps: Steps, visit: Visit | None = None, chance: Random | None = None) -> None:
        """Somebody comes, at a time (seconds since the epoch); an attack brings the chance that its ids are made with."""
        if visit is not None:
            visit.now = at
        self._go_on(at, steps, visit, chance or self._pods)

    def _go_on(self, at: float, steps: Steps, visit: Visit | None, chance: Random) -> None:
        step = next(steps, None)
        if step is not None:
            self._number += 1
            heapq.heappush(self._heap, (at + step[0], self._number, step[1], steps, visit, chance))

    def requests(self, until: float) -> Iterator[tuple[float, Call, Random]]:
        """All requests before a time, in order: when, what, and what its ids are made with."""
        heap = self._heap
        while heap and heap[0][0] < until:
            at, _, call, steps, visit, chance = heapq.heappop(heap)
            yield at, call, chance
            if visit is not None:
                visit.now = at
            self._go_on(at, steps, visit, chance)

    def always(self) -> None:
        """Starts what never ends: programs and hooks."""
        kind = PROGRAMS[self.api.name]
        for person in self.place.people.by_kind[kind]:
            chance = Random(f"{self._seed}/{person.label}")
            visit = Visit(self.place, person, chance, person.label)
            self.begin(START, programs.program(visit), visit)
        if self.api.name != "bank":
            hooks = programs.hooks(self.place, Random(f"{self._seed}/{self.api.name}/hooks"), HOOKED_EVERY / self._scale)
            self.begin(START, hooks)

    def plan(self, hour: int) -> None:
        """Everybody who comes in an hour, counted from the start."""
        chance = Random(f"{self._seed}/{self.api.name}/{hour}")
        weight = self._weight(hour)
        for coming in COMING[self.api.name]:
            for number in range(_about(chance, self._a_day * coming.share / coming.requests * weight)):
                self._comes(coming, chance, hour, number)
        self._shifts(chance, hour)
        self._strangers(chance, hour)

    def _weight(self, hour: int) -> float:
        """Part of an ordinary day's visits that falls into an hour."""
        day, at = divmod(hour, 24)
        return self.api.day[at] / sum(self.api.day) * (self.api.weekend if day % 7 >= 5 else 1.0)

    def _comes(self, coming: Coming, chance: Random, hour: int, number: int) -> None:
        person = self.place.people.some(coming.kind, chance)
        own = Random(chance.getrandbits(64))
        mobile = chance.random() < coming.mobile
        visit = Visit(self.place, person, own, f"{person.label} {hour}.{number}", mobile=mobile)
        self.begin(START + (hour + chance.random()) * HOUR, coming.visit(visit), visit)

    def _shifts(self, chance: Random, hour: int) -> None:
        day, at = divmod(hour, 24)
        if day % 7 >= 5 and self.api.name != "shop":
            return
        agents = self.place.people.by_kind["support"]
        for person in agents:
            if at == (8 if person.number % 3 else 13):
                visit = Visit(self.place, person, Random(chance.getrandbits(64)), f"{person.label} {hour}")
                visit.caller.address = agents[0].office
                self.begin(START + (hour + chance.random()) * HOUR, staff.support(visit), visit)

    def _strangers(self, chance: Random, hour: int) -> None:
        made: list[Callable[[Random, str], Steps]] = [partial(programs.scanner, self.place)] * _about(
            chance, SCANS_A_DAY * self._scale / 24
        )
        if self.api.name == "shop":
            made += [partial(programs.crawler, self.place)] * _about(chance, CRAWLS_A_DAY * self._scale / 24)
        for number, make in enumerate(made):
            steps = make(Random(chance.getrandbits(64)), f"{self.api.name}/stranger {hour}.{number}")
            self.begin(START + (hour + chance.random()) * HOUR, steps)

    def deploy(self, at: float) -> None:
        """Each release that has reached a pod at a time."""
        day, now = divmod(at - START, DAY)
        for number, service in enumerate(self.api.services):
            for pod in range(len(self.exporter.releases[number])):
                today = [hour for name, hour in self.api.deploys if name == service.name and now >= hour * HOUR + pod * ROLLED]
                past = sum(1 for each in range(int(day)) if each % 7 < 5) * sum(name == service.name for name, _ in self.api.deploys)
                self.exporter.releases[number][pod] = 1 + past + (len(today) if day % 7 < 5 else 0)
        front = next(number for number, service in enumerate(self.api.services) if service.name == self.front)
        self.place.release = self.exporter.releases[front][0]

    @property
    def front(self) -> str:
        """The service that answers most."""
        return self.api.operations["GET *"].service.name


def _about(chance: Random, mean: float) -> int:
    """A number of arrivals (Poisson)."""
    if mean > 50:
        return max(0, round(chance.gauss(mean, mean**0.5)))
    count, at = -1, 0.0
    while at < mean:
        at += chance.expovariate(1.0)
        count += 1
    return max(0, count)
