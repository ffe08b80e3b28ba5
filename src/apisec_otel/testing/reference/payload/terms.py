"""How unusual a value is beside those of its parameter, in nats, by shape, characters, length and syntax.

The page leaves open, and the product chose: what a parameter may claim at most holds for the share of a class before it is
doubled, and for the length after; an empty value lacks no class; syntax alone may say more than nine nats, or nothing could alarm
from the first request.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from apisec_otel.testing.reference.payload.state import PRIOR, PRIORS, SYNTAX_PRIOR, Parameter, nats, together
from apisec_otel.testing.reference.text import Features

HEADER = 5.0
FORGIVEN, SHARPENED = 5.0, 4.6


@dataclass(frozen=True)
class Terms:
    """The nats of each feature; and the class that is the least usual, or the most missed."""

    shape: float
    chars: float
    length: float
    syntax: float
    worst: int
    lacks: bool

    def total(self, *, header: bool) -> float:
        """Of the item; whoever links to a page chooses its headers, so that what is new about one counts little."""
        new = [self.shape, self.chars, self.length]
        return together([min(HEADER, together(new)), self.syntax]) if header else together([*new, self.syntax])

    def feature(self) -> str:
        """Which says most; the first of equals."""
        return max(("shape", "chars", "length", "syntax"), key=lambda name: float(getattr(self, name)))


@dataclass(frozen=True)
class Levels:
    """What is known of a parameter where it stands, in its service, and of any value in the service."""

    known: Sequence[Parameter | None]

    @property
    def own(self) -> int:
        """Values seen where it stands."""
        return self.known[0].n if self.known[0] else 0

    @property
    def floor(self) -> float:
        """Nobody may claim more than he can have seen."""
        return 0.2 / (self.own + 20.0)

    def backed(self, prior: float, share: Callable[[Parameter], float], weight: float = PRIOR) -> float:
        """A share, backed off to the levels behind and to what is expected where nothing is known."""
        for level in reversed(self.known):
            if level is not None:
                prior = (share(level) + weight * prior) / (level.n + weight)
        return prior


def terms(levels: Levels, value: Features) -> Terms:
    """How unusual a value is."""
    length, classes, shape, syntax, _ = value
    of_shape = min(1.0, levels.backed(0.3, lambda level: level.shapes.rarer(shape)[0]))
    share, worst, lacks = _chars(levels, classes, empty=length == 0)
    of_length = max(2 * min(_longer(levels, length), _shorter(levels, length)), levels.floor)
    return Terms(nats(max(of_shape, levels.floor)), nats(2 * share), nats(of_length), _syntax(levels, syntax), worst, lacks)


def _chars(levels: Levels, classes: int, *, empty: bool) -> tuple[float, int, bool]:
    found, own = (1.0, 0, False), levels.known[0]
    for at, prior in enumerate(PRIORS):
        there = classes >> at & 1 == 1
        always = own is not None and own.n >= 20 and not empty and own.classes[at] >= 0.9 * own.n
        if there or always:
            share = levels.backed(prior, lambda level, at=at: level.classes[at])  # type: ignore[misc]
            found = min(found, (max(share if there else 1 - share, levels.floor), at, not there), key=lambda each: each[0])
    return found


def _longer(levels: Levels, length: int) -> float:
    prior = 1.0 if length <= 16 else 0.3 if length <= 20 else 0.3 * 0.5 ** ((length - 20) * 0.7)
    return levels.backed(prior, lambda level: sum(level.length[length:]))


def _shorter(levels: Levels, length: int) -> float:
    return levels.backed(0.1 if length == 0 else 1.0, lambda level: sum(level.length[: length + 1]))


def _syntax(levels: Levels, score: int) -> float:
    if score == 0:
        return 0.0
    prior = score / 2 * math.log(10)
    tail = levels.backed(math.exp(-prior), lambda level: sum(level.syntax[score:]), SYNTAX_PRIOR)
    return min(max(-math.log(max(tail, 1e-12)), prior - FORGIVEN), prior + SHARPENED)
