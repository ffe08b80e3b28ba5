"""The lab: days of some places, as export requests in order, and a line of truth for each request from outside."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from examples.lab.attacks import campaigns
from examples.lab.exporting import SECOND
from examples.lab.place import Api
from examples.lab.places import bank, saas, shop
from examples.lab.simulation import HOUR, START, Simulation
from examples.lab.truth import line

PLACES: Final[dict[str, Api]] = {api.name: api for api in (shop.API, bank.API, saas.API)}
REQUESTS_A_DAY: Final = 200_000
PRINCIPALS: Final = 5_000
STEP: Final = 300
"""Seconds that are made at a time."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is made."""

    seed: int = 7
    days: int = 1
    quiet_days: int = 0
    """So many first days are without attacks."""
    places: Sequence[str] = tuple(PLACES)
    attacks: Collection[str] = ()
    """Ids of the catalogue."""
    strengths: Collection[str] = ()
    scale: float = 1.0
    """Of people and requests."""
    start: float = START
    """When the first day begins, seconds since the epoch: other starts only shift all times."""


@dataclass
class Made:
    """What came out so far."""

    spans: int = 0
    requests: int = 0
    attacks: int = 0
    """Requests of attacks."""
    places: dict[str, int] = field(default_factory=dict)


@dataclass
class Lab:
    """Runs the places side by side."""

    setting: Setting
    on_truth: Callable[[float, str], object] = lambda at, told: None
    """Called with each line of truth and the request's time, in order of time within five minutes."""
    made: Made = field(default_factory=Made)

    def __post_init__(self) -> None:
        one = self.setting
        self._places = [Simulation(PLACES[name], one.seed, REQUESTS_A_DAY * one.scale, one.scale) for name in one.places]
        self._shift = round((one.start - START) * SECOND)

    def records(self) -> Iterator[tuple[int, bytes]]:
        """Export requests in the order in which Collectors send them, each after its time (seconds since the epoch)."""
        for place in self._places:
            place.always()
        for hour in range(self.setting.days * 24):
            for place in self._places:
                place.plan(hour)
                self._attack(place, hour)
            for step in range(0, HOUR, STEP):
                yield from self._until(START + hour * HOUR + step + STEP)
        yield from heapq.merge(*(self._flushed(place, None) for place in self._places))

    def _attack(self, place: Simulation, hour: int) -> None:
        one = self.setting
        day, at = divmod(hour, 24)
        if at == 0 and day >= one.quiet_days and one.attacks:
            for begins, steps in campaigns(place, one, day):
                place.begin(begins, steps, chance=place.attack_ids)

    def _until(self, end: float) -> Iterator[tuple[int, bytes]]:
        flushed = []
        for place in self._places:
            place.deploy(end - STEP)
            self._run(place, end)
            flushed.append(self._flushed(place, round(end * SECOND) + self._shift))
        self.made.spans = sum(place.exporter.spans for place in self._places)
        yield from heapq.merge(*flushed)

    def _flushed(self, place: Simulation, until: int | None) -> list[tuple[int, bytes]]:
        return [(5 * (slot + 1), made) for slot, made in place.exporter.flush(until)]

    def _run(self, place: Simulation, end: float) -> None:
        exporter, name = place.exporter, place.api.name
        count = 0
        for at, call, chance in place.requests(end):
            start = round(at * SECOND) + self._shift
            trace, span = exporter.add(start, call, chance.getrandbits(16), chance)
            self.on_truth(start / SECOND, line(name, start, trace, span, call))
            count += 1
            self.made.attacks += call.mark is not None
        self.made.requests += count
        self.made.places[name] = self.made.places.get(name, 0) + count
