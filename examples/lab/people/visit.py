"""One sitting of somebody: a device, an address, a token that runs out; what people do is written in terms of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Final

from examples.lab.calls import Call, Caller
from examples.lab.place import Place
from examples.lab.population import Person, carrier_address

Steps = Iterator[tuple[float, Call]]
"""Requests, each after the seconds since the one before."""

LIVES: Final = 3600.0
"""Seconds after which a token is refused."""
OOPS: Final = (500, 500, 502, 503, 504)


class Visit:
    """What somebody sees of a place in one sitting."""

    def __init__(self, place: Place, person: Person, chance: Random, label: str, *, mobile: bool = False) -> None:
        self.place, self.person, self.chance = place, person, chance
        self.now = 0.0
        """Seconds since the epoch, kept by the simulation: the time of the request before."""
        self.caller = Caller(
            _address(person, chance, mobile), _agent(place.api.name, person, mobile), person.label, person.kind, session=label
        )
        self._born = 0.0

    def call(self, name: str, *parts: object, query: str = "", status: int = 200, size: int = 0, fill: str = "") -> Call:
        """A request; one in five hundred meets a fault of the server."""
        if status == 200 and self.chance.random() < 0.002:
            status = self.chance.choice(OOPS)
        return self.place.call(self.chance, self.caller, name, *parts, query=query, status=status, size=size, fill=fill)

    def pause(self, median: float, spread: float = 0.9) -> float:
        """Seconds that a person takes."""
        return min(1500.0, median * self.chance.lognormvariate(0, spread))

    def signed(self) -> None:
        """A new token."""
        self.caller.told.clear()
        self.caller.user, self.caller.role = self.person.user, self.person.role
        self.caller.token, self._born = token(self.place.api.name, self.person, self.chance), self.now
        self.caller.tenant = f"t{self.person.tenant}" if self.place.api.name == "saas" else ""

    def sign_in(self, mistypes: float = 0.08) -> Steps:
        """A login, with the mistakes that people make."""
        wait = 0.0
        while self.chance.random() < mistypes:
            yield wait, self.call("login", status=401)
            wait, mistypes = self.pause(9, 0.5), 0.35
        if mistypes > 0.08 and self.chance.random() < 0.15:
            yield self.pause(20), self.call("reset", status=202)
            wait = self.pause(90)
        yield wait, self.call("login")
        self.signed()

    def come_back(self) -> Steps:
        """With a token that was kept: it is exchanged for a new one; now and then the old one is tried first."""
        if self.chance.random() < 0.12:
            yield from self._refused(self.chance.randint(1, 4))
        yield 0.05, self.call("refresh")
        self.signed()

    def fresh(self) -> Steps:
        """When the token has run out: all that the page asks at once is refused, then it is renewed."""
        if self.now - self._born > LIVES:
            yield from self._refused(self.chance.randint(1, 5))
            yield 0.1, self.call("refresh")
            self.signed()

    def _refused(self, times: int) -> Steps:
        for _ in range(times):
            yield self.chance.uniform(0.01, 0.08), self.call("me", status=401)

    def burst(self, calls: Sequence[Callable[[], Call]], wait: float) -> Steps:
        """What a page or an app asks for at once; what fails is asked again."""
        for make in calls:
            made = make()
            yield wait, made
            wait = self.chance.uniform(0.004, 0.06)
            tries = 0
            while made.status >= 500 and tries < 2:
                tries += 1
                made = make()
                yield 0.4 * 2**tries, made

    def pages(self, name: str, *parts: object, query: str = "page={}", most: int = 6) -> Steps:
        """A list, page after page, as far as somebody reads."""
        for page in range(1, 1 + min(most, 1 + int(self.chance.expovariate(0.7)))):
            yield self.pause(6), self.call(name, *parts, query=query.format(page))

    def typo(self) -> Steps:
        """A link that is dead or mistyped."""
        words = ("/api/order/", "/orders/", "/api/v1/products/", "/profile", "/help", "/api/oders/", "/settings/")
        path = self.chance.choice(words) + (str(self.chance.randrange(999)) if self.chance.random() < 0.5 else "")
        yield self.pause(8), self.place.missing(self.chance, self.caller, "GET", path)


def token(place: str, person: Person, chance: Random) -> str:
    """A made-up bearer token; the tracker's is a JWT, whose signature is noise."""
    if place != "saas":
        return "Bearer " + chance.randbytes(20).hex()
    claims = {"iss": "https://identity.tracker.example", "sub": person.user, "tid": person.tenant, "jti": chance.getrandbits(48)}
    parts = [json.dumps(each, separators=(",", ":")).encode() for each in ({"alg": "RS256", "typ": "JWT"}, claims)]
    return "Bearer " + ".".join(base64.urlsafe_b64encode(each).decode().rstrip("=") for each in (*parts, chance.randbytes(32)))


def key_of(person: Person) -> str:
    """The key of a program: the same for years."""
    return "Bearer key_" + Random(person.label).randbytes(16).hex()


def _address(person: Person, chance: Random, mobile: bool) -> str:
    draw = chance.random()
    if mobile:
        return carrier_address(person.carrier, chance) if draw < 0.6 else person.home
    return person.home if draw < 0.75 else person.office


def _agent(place: str, person: Person, mobile: bool) -> str:
    if not mobile:
        return person.agent
    names = {"shop": "ShopApp", "bank": "BankApp", "saas": "Tracker"}
    return f"{names[place]}/5.{2 + person.number % 3}.{person.number % 2} ({person.app})"
