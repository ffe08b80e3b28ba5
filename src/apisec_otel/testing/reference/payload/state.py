"""What is learned: of a parameter, of a node of the tree of paths, of an endpoint's names, of scores."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from apisec_otel.testing.reference.payload.outcomes import Outcomes
from apisec_otel.testing.reference.text import CLASSES, Features

PRIOR, SYNTAX_PRIOR = 2.0, 20.0
WARM = 300

_COMMON = {"a": 0.5, "A": 0.3, "9": 0.5, " ": 0.3}
_MARKS = {0.15: "-_.", 0.08: ",:/@", 0.04: "=&+?%|", 0.02: "()!#*~[]", 0.01: "\"{}';$"}
_NAMED = {"high": 0.1, "utf-8": 0.1, "not utf-8": 0.01, "break": 0.005, "tab": 0.005, "double": 0.005}


def class_prior(kind: str) -> float:
    """How common a class of characters is in values that nobody tampered with."""
    marks = {mark: prior for prior, group in _MARKS.items() for mark in group}
    return (_COMMON | marks | _NAMED).get(kind, 0.005 if len(kind) == 1 else 0.001)


PRIORS = [class_prior(kind) for kind in CLASSES]


@dataclass
class Parameter:
    """Values of one key, by what they look like."""

    n: int = 0
    odd: int = 0
    length: list[int] = field(default_factory=lambda: [0] * 32)
    classes: list[int] = field(default_factory=lambda: [0] * 56)
    syntax: list[int] = field(default_factory=lambda: [0] * 17)
    shapes: Outcomes = field(default_factory=lambda: Outcomes(16))

    def teach(self, value: Features) -> None:
        """Learns a value."""
        length, classes, shape, syntax, _ = value
        self.n += 1
        self.length[length] += 1
        self.syntax[syntax] += 1
        for at in range(56):
            self.classes[at] += classes >> at & 1
        self.shapes.observe(shape, self.n)


@dataclass
class Node:
    """A place in the tree: visits, children seen once, visits to children of about which count; and its count as a child."""

    n: int = 0
    odd: int = 0
    singles: int = 0
    count: int = 0
    mass: list[int] = field(default_factory=lambda: [0] * 24)

    def p(self, count: int) -> float:
        """How common a child of this count is, and all rarer ones."""
        rarer = self.singles + (sum(self.mass[: bucket(count) + 1]) if count else 0)
        return min(1.0, (rarer + PRIOR * (1.0 if count else 0.2)) / (self.n + PRIOR))

    def visit(self, count: int) -> None:
        """A child of this count was visited."""
        self.n += 1
        if count == 0:
            self.singles += 1
        else:
            self.singles -= count == 1 and self.singles > 0
            self.mass[bucket(count)] = max(0, self.mass[bucket(count)] - count)
        self.mass[bucket(count + 1)] += count + 1

    @property
    def wide(self) -> bool:
        """Words are a variable here."""
        return self.n >= 50 and self.singles > 0.1 * self.n


def bucket(count: int) -> int:
    """The power of two that a count reaches."""
    return min(23, count.bit_length() - 1)


@dataclass
class Names:
    """An endpoint's parameters: their sets, each one, how often each was there, and how often one was there twice."""

    n: int = 0
    odd: int = 0
    doubled: int = 0
    sets: Outcomes = field(default_factory=lambda: Outcomes(16))
    single: Outcomes = field(default_factory=lambda: Outcomes(32))
    there: dict[int, int] = field(default_factory=dict)

    def teach(self, names: list[int], set_of: int, doubled: bool) -> None:
        """Learns the names of a request."""
        self.n += 1
        self.doubled += doubled
        self.sets.observe(set_of, self.n)
        for name in names:
            self.single.observe(name, self.n)
            if name in self.there or len(self.there) < 24:
                self.there[name] = self.there.get(name, 0) + 1


@dataclass
class Scores:
    """How high scores are; of a service also its tokens, its versions and who taught odd requests last."""

    n: int = 0
    odd: int = 0
    bins: list[int] = field(default_factory=lambda: [0] * 80)
    anchor: np.float32 = field(default_factory=lambda: np.float32(0))
    tokens: np.float32 = field(default_factory=lambda: np.float32(10))
    since: int = 0
    versions: list[int] = field(default_factory=list)
    teachers: list[int] = field(default_factory=list)

    def teach(self, score: float, odd: bool, whole: bool) -> None:
        """Learns a score; of odd ones an endpoint (not `whole`) takes a hundredth."""
        if odd and not whole and self.odd >= 2 + 0.01 * self.n:
            return
        self.n += 1
        self.odd += odd
        self.bins[min(79, int(score * 2))] += 1
        if self.n < 64 or self.n % 32 == 0:
            self.anchor = np.float32(self._anchored())

    def _anchored(self) -> float:
        need, above, at = 0.05 * sum(self.bins), 0, 79
        while at > 0 and above + self.bins[at] < need:
            above += self.bins[at]
            at -= 1
        within = (need - above) / self.bins[at] if self.bins[at] else 0.0
        return (at + 1 - min(1.0, max(0.0, within))) / 2

    def version(self, version: int) -> None:
        """Counts a request of a version: how many there were since one was new among the last four."""
        name = told_apart(version)
        if version == 0 or name in self.versions[-4:]:
            self.since += 1
            return
        first = not self.versions
        self.versions.append(name)
        self.since = self.since + 1 if first else 0

    @property
    def cold(self) -> bool:
        """Too little was seen, of the service or of its version."""
        return self.n < WARM or self.since < WARM

    def spend(self, teacher: int) -> bool:
        """Whether an odd request of this teacher may teach."""
        name = told_apart(teacher)
        if self.tokens < 1 or teacher != 0 and name in self.teachers[-16:]:
            return False
        self.tokens = np.float32(self.tokens - np.float32(1))
        self.teachers.append(name)
        return True


def told_apart(id: int) -> int:
    """What the last versions and teachers are told apart by: 16 bits, none of them all zero but nobody's."""
    return max(1, id >> 16 & 0xFFFF) if id else 0


def nats(p: float) -> float:
    """The nats of a probability, 9 at most."""
    return min(9.0, -math.log(max(p, 1e-12)))


def together(terms: list[float]) -> float:
    """The largest, and half of what the others have over a nat."""
    largest = max([0.0, *terms])
    over = [max(0.0, term - 1) for term in terms]
    return largest + 0.5 * max(0.0, sum(over) - max(0.0, largest - 1))
