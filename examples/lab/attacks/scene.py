"""What an attack is written in terms of: a place, strangers and accounts, a pace, and how much of it there is."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from examples.lab.calls import Call, Caller, Mark
from examples.lab.flows import Change
from examples.lab.people.visit import Steps, token
from examples.lab.place import Place
from examples.lab.population import BROWSERS, PROGRAMS, Person, hosted_address, public_address
from examples.lab.spans import Piece

STRENGTHS: Final = ("weak", "medium", "strong", "slow", "distributed")
"""weak: little and with pauses. slow: as much as medium, over most of a day. distributed: from many addresses and accounts."""
ONCE: Final = ("weak", "medium", "strong")
"""For what is a state or a single request, spread over nothing."""
SIZES: Final = {"weak": 0.35, "medium": 1.0, "strong": 4.0, "slow": 1.0, "distributed": 2.0}
PAUSES: Final = {"weak": 20.0, "medium": 3.0, "strong": 0.25, "slow": 0.0, "distributed": 5.0}
"""Seconds between two requests, the median."""
HOURS: Final = {"weak": (1.0, 21.0), "medium": (1.0, 22.0), "strong": (1.0, 23.0), "slow": (0.2, 4.0), "distributed": (1.0, 21.0)}
"""Between which hours of a day it begins."""
SLOW_LASTS: Final = 17 * 3600.0
EACH: Final = 4
"""Requests from one address of a distributed attack."""


@dataclass(frozen=True)
class Attack:
    """One attack of the catalogue."""

    id: str
    play: Callable[[Scene], Steps]
    strengths: Collection[str]
    place: Collection[str]
    """Where it can happen; everywhere when empty."""


REGISTRY: Final[dict[str, Attack]] = {}


def attack(
    id: str, strengths: Collection[str] = STRENGTHS, place: Collection[str] = ()
) -> Callable[[Callable[[Scene], Steps]], Callable[[Scene], Steps]]:
    """Enters an attack under its id."""

    def enter(play: Callable[[Scene], Steps]) -> Callable[[Scene], Steps]:
        REGISTRY[id] = Attack(id, play, strengths, place)
        return play

    return enter


class Scene:
    """One campaign in one place."""

    def __init__(self, place: Place, attack: str, strength: str, campaign: str, chance: Random) -> None:
        self.place, self.strength, self.chance = place, strength, chance
        self._attack, self._campaign = attack, campaign
        self._step = 0
        self._size = 1
        self._callers: list[Caller] = []

    def steps(self, play: Steps) -> Steps:
        """The campaign's requests, each marked with its number."""
        for wait, call in play:
            self._step += 1
            visible = call.mark is None or call.mark.visible
            call.mark = Mark(self._attack, self.strength, self._campaign, self._step, visible)
            yield wait, call

    def times(self, medium: int) -> range:
        """As many as the strength asks for, where `medium` is the number at medium strength."""
        self._size = max(1, round(medium * SIZES[self.strength]))
        return range(self._size)

    def wait(self) -> float:
        """Seconds until the next request."""
        if self.strength == "slow":
            return self.chance.expovariate(self._size / SLOW_LASTS)
        return PAUSES[self.strength] * self.chance.lognormvariate(0, 0.5)

    def stranger(self, script: bool | None = None) -> Caller:
        """Somebody without an account: a script in a computing centre or a browser at home."""
        script = self.chance.random() < 0.6 if script is None else script
        address = hosted_address(self.chance) if script else public_address(self.chance)
        agent = self.chance.choice(PROGRAMS) if script else self.chance.choice(BROWSERS)
        return Caller(address, agent, self._label(), "attacker", session=f"{self._campaign} {len(self._callers)}")

    def account(self, role: str = "") -> Caller:
        """Somebody with an account of their own, signed in."""
        caller, like = self.stranger(), self.person(role)
        user = like.user.rstrip("0123456789") + str(self.chance.randrange(1_000_000, 2_000_000))
        self.sign_in(caller, replace(like, user=user))
        return caller

    def sign_in(self, caller: Caller, person: Person) -> None:
        """Gives a caller the token of somebody."""
        name = self.place.api.name
        caller.told.clear()
        caller.token, caller.user, caller.role = token(name, person, self.chance), person.user, person.role
        caller.tenant = f"t{person.tenant}" if name == "saas" else ""

    def person(self, role: str = "") -> Person:
        """Somebody who lives here."""
        kind = {"shop": "shopper", "bank": "customer", "saas": "member"}[self.place.api.name]
        people = [each for each in self.place.people.by_kind[kind] if each.objects and (not role or each.role == role)]
        return self.chance.choice(people or self.place.people.by_kind[kind])

    def who(self, at: int, make: Callable[[], Caller]) -> Caller:
        """Who sends a request of the campaign: always the same, or every few requests another."""
        wanted = at // EACH if self.strength == "distributed" else 0
        while len(self._callers) <= wanted:
            self._callers.append(make())
        return self._callers[wanted]

    def owned(self) -> int:
        """Something that belongs to somebody."""
        return self.chance.choice(self.person().objects)

    def guest(self, role: str) -> Callable[[], Caller]:
        """Who may ask an operation at all: a stranger where it is open to all, else somebody with an account."""
        return self.stranger if self.place.operation(role).open else self.account

    def query(self, role: str, alter: Callable[[Piece], Piece]) -> Change:
        """The first query of an operation, altered, wherever below the request it is asked."""
        for piece in self.place.operation(role).inner:
            made = _altered(piece, alter)
            if made is not piece:
                return Change(instead={piece.word: made})
        return Change()

    def call(
        self, caller: Caller, name: str, *parts: object, query: str = "", status: int = 200, size: int = 0, fill: str = "",
        took: float = 0.0, change: Change | None = None, visible: bool = True,
    ) -> Call:  # fmt: skip
        """A request; `visible`: whether its spans show what is wrong with it."""
        made = self.place.call(
            self.chance, caller, name, *parts, query=query, status=status, size=size, fill=fill, took=took, change=change
        )
        return self._seen(made, visible)

    def missing(
        self,
        caller: Caller,
        path: str,
        *,
        method: str = "GET",
        query: str = "",
        status: int = 404,
        visible: bool = True,
        change: Change | None = None,
    ) -> Call:
        """A request that no route matches."""
        return self._seen(self.place.missing(self.chance, caller, method, path, query=query, status=status, change=change), visible)

    def mostly(self, often: int, seldom: int, share: float) -> int:
        """One of two statuses."""
        return often if self.chance.random() < share else seldom

    def _seen(self, call: Call, visible: bool) -> Call:
        call.mark = Mark(self._attack, self.strength, self._campaign, 0, visible)
        return call

    def _label(self) -> str:
        return f"{self.place.api.name}/attacker/{self._campaign}/{len(self._callers)}"


def _altered(piece: Piece, alter: Callable[[Piece], Piece]) -> Piece:
    if piece.told.get("db.system") == "postgresql":
        return alter(piece)
    for at, below in enumerate(piece.below):
        made = _altered(below, alter)
        if made is not below:
            return replace(piece, below=(*piece.below[:at], made, *piece.below[at + 1 :]))
    return piece


def restated(statement: Callable[[str], str]) -> Callable[[Piece], Piece]:
    """An alteration of what a query says."""
    return lambda piece: replace(piece, told={**piece.told, "db.statement": statement(str(piece.told["db.statement"]))})
