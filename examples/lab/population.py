"""Who uses a place: people with devices and addresses that others share, and what is theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import Final

SYSTEMS: Final = ("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64")
CHROME: Final = [
    f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
    for version in (138, 139, 140, 141)
    for system in SYSTEMS
]
FIREFOX: Final = [f"Mozilla/5.0 ({SYSTEMS[0]}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0" for version in (141, 142, 143)]
SAFARI: Final = [
    f"Mozilla/5.0 ({SYSTEMS[1]}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{version} Safari/605.1.15"
    for version in ("18.5", "18.6", "26.0")
]
BROWSERS: Final = CHROME * 3 + FIREFOX + SAFARI * 2
PHONES: Final = ("iPhone15,3; iOS 18.6", "iPhone14,5; iOS 18.5", "Pixel 9; Android 16", "SM-S921B; Android 15", "SM-A546B; Android 14")
PROGRAMS: Final = ("python-requests/2.32.3", "okhttp/4.12.0", "Go-http-client/2.0", "axios/1.7.9", "Java/21.0.4", "GuzzleHttp/7")

CARRIERS: Final = 6
CARRIER_ADDRESSES: Final = 24
"""Addresses of a carrier, behind each of which hundreds of phones are at a time."""


@dataclass(slots=True, eq=False)
class Person:
    """Somebody with an account, or a program with one."""

    label: str
    kind: str
    number: int
    user: str
    """What the place calls them."""
    objects: list[int]
    """Numbers of what is theirs, ascending."""
    home: str
    """Address of the household, which two may share."""
    office: str
    carrier: int
    agent: str
    app: str
    """User agent of the app on the phone, without the app's version."""
    role: str = "user"
    tenant: int = 0
    weight: float = 1.0
    """How often they come, beside others."""


@dataclass
class Population:
    """All of a place, by kind."""

    by_kind: dict[str, list[Person]] = field(default_factory=dict)
    _weights: dict[str, list[float]] = field(default_factory=dict)

    def add(self, person: Person) -> None:
        """Takes in somebody."""
        self.by_kind.setdefault(person.kind, []).append(person)

    def some(self, kind: str, chance: Random) -> Person:
        """Somebody of a kind, those who come often more often."""
        people = self.by_kind[kind]
        weights = self._weights.get(kind)
        if weights is None:
            weights = self._weights[kind] = list(accumulate(each.weight for each in people))
        return chance.choices(people, cum_weights=weights)[0]

    def everybody(self) -> list[Person]:
        """Of all kinds."""
        return [person for people in self.by_kind.values() for person in people]

    def owners(self, kinds: Sequence[str]) -> list[Person]:
        """Those of some kinds who own something."""
        return [person for kind in kinds for person in self.by_kind.get(kind, ()) if person.objects]


def public_address(chance: Random) -> str:
    """An address of somebody's provider."""
    return f"{chance.choice((79, 84, 91, 93, 178, 188, 212))}.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"


def hosted_address(chance: Random) -> str:
    """An address of a computing centre."""
    return f"{chance.choice((45, 134, 141, 159, 167, 185))}.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"


def carrier_address(carrier: int, chance: Random) -> str:
    """One of the few addresses that a mobile network has for all."""
    return f"100.{64 + carrier}.12.{chance.randrange(CARRIER_ADDRESSES)}".replace("100.", "37.")


def people(
    chance: Random, place: str, kind: str, count: int, *, user: str, objects: tuple[int, int], numbers: range, households: float = 0.3
) -> list[Person]:
    """So many people of a kind. `objects`: fewest and most that one owns, numbered from `numbers`; `user`: a format of their ids."""
    offices = [public_address(chance) for _ in range(max(2, count // 60))]
    made: list[Person] = []
    for number in range(count):
        neighbour = made[-1] if made and chance.random() < households else None
        fewest, most = objects
        fewest = fewest if number or not most else max(1, fewest)
        owned = min(most, fewest + int(chance.expovariate(3.0 / (most - fewest + 1)))) if most else 0
        made.append(
            Person(
                label=f"{place}/{kind}/{number}",
                kind=kind,
                number=number,
                user=user.format(number * 7919 % 900_000 + 100_000),
                objects=sorted(chance.sample(numbers, owned)),
                home=neighbour.home if neighbour else public_address(chance),
                office=chance.choice(offices),
                carrier=chance.randrange(CARRIERS),
                agent=neighbour.agent if neighbour and chance.random() < 0.4 else chance.choice(BROWSERS),
                app=chance.choice(PHONES),
                weight=chance.lognormvariate(0, 0.6),
            )
        )
    return made
