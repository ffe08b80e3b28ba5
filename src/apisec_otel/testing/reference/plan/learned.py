"""What learns when windows close: a value a teacher and window, and what each question makes of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from apisec_otel.testing.reference.plan.baselines import HALVED_AT, SUPPORT, Histogram

PENDING_WORDS = 5
_KEPT = 256
_SUCCESSORS = 64
_HALF_LIFE = 86_400_000_000_000
_WORD = (1 << 64) - 1
_MOST = 16
_ASKED = 0.01


class LearnedCells(Protocol):
    """One key's part of a baseline."""

    def learn(self, value: float | int, teacher: int, time: int) -> None:
        """One contribution, taught at the end of its window."""
        ...

    def supported(self) -> bool:
        """Whether enough different teachers have taught."""
        ...

    def spilled(self) -> int:
        """Words beyond the fixed cells."""
        ...


@dataclass
class Pending:
    """One teacher's open window."""

    window: int
    value: float | int
    by: int
    teacher: int
    order: int
    """Which row came first."""

    def spilled(self) -> int:
        return 0


@dataclass
class Novelty:
    """How often each value was taught; what finds no place counts as taught once."""

    times: dict[int, int] = field(default_factory=dict)
    beyond: int = 0
    teachers: list[int] = field(default_factory=list)

    def learn(self, value: float | int, teacher: int, time: int) -> None:
        place = int(value) >> _MOST
        if place in self.times or len(self.times) < _KEPT:
            self.times[place] = self.times.get(place, 0) + 1
        else:
            self.beyond += 1
        _know(self.teachers, teacher)
        if self.total() >= HALVED_AT:
            self.times = {one: count // 2 for one, count in self.times.items() if count // 2}
            self.beyond //= 2

    def total(self) -> int:
        """All contributions that are still counted."""
        return sum(self.times.values()) + self.beyond

    def supported(self) -> bool:
        return len(self.teachers) >= SUPPORT

    def answer(self, value: int) -> float:
        """1 for a known value, else the chance of a new one."""
        once = sum(count == 1 for count in self.times.values()) + self.beyond
        return 1.0 if value >> _MOST in self.times else (1 + once) / (1 + self.total())

    def spilled(self) -> int:
        return len(self.times) + len(self.teachers)


@dataclass
class Successors:
    """How often each value followed, fading."""

    counts: dict[int, float] = field(default_factory=dict)
    time: int | None = None
    teachers: list[int] = field(default_factory=list)

    def learn(self, value: float | int, teacher: int, time: int) -> None:
        if self.time is not None:
            share = math.exp2(-max(0, time - self.time) / _HALF_LIFE)
            self.counts = {one: count * share for one, count in self.counts.items()}
        self.time = time
        if value not in self.counts and len(self.counts) == _SUCCESSORS:
            least = min(self.counts, key=lambda one: self.counts[one])
            self.counts = {int(value) if one == least else one: 0.0 if one == least else count for one, count in self.counts.items()}
        self.counts[int(value)] = self.counts.get(int(value), 0.0) + 1
        _know(self.teachers, teacher)

    def supported(self) -> bool:
        return len(self.teachers) >= SUPPORT

    def answer(self, value: int) -> float:
        """Bits of surprise."""
        seen, every = self.counts.get(value, 0.0), sum(self.counts.values())
        return -math.log2((seen + 0.5) / (every + 0.5 * (len(self.counts) + 1)))

    def spilled(self) -> int:
        return 2 * len(self.counts) + len(self.teachers)


@dataclass
class Always:
    """How many windows a condition held in, and in how many it did not."""

    held: int = 0
    broken: int = 0
    teachers: list[int] = field(default_factory=list)

    def learn(self, value: float | int, teacher: int, time: int) -> None:
        self.held, self.broken = (self.held, self.broken + 1) if value else (self.held + 1, self.broken)
        _know(self.teachers, teacher)
        if self.held + self.broken >= HALVED_AT:
            self.held, self.broken = self.held // 2, self.broken // 2

    def supported(self) -> bool:
        return len(self.teachers) >= SUPPORT

    def answer(self) -> float:
        """The share that a Beta(1 + held, 1 + broken) stays above with 99 %."""
        return _bound(self.held, self.broken)

    def spilled(self) -> int:
        return len(self.teachers)


@cache
def _bound(held: int, broken: int) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _below(middle, held, broken) < _ASKED else (low, middle)
    return (low + high) / 2


def _below(share: float, held: int, broken: int) -> float:
    """The beta distribution as the sum over a binomial: at most `broken` of n + 1 trials fail."""
    trials = held + broken + 1
    pairs = ((trials - failed, failed) for failed in range(broken + 1))
    whole = math.lgamma(trials + 1)
    return sum(math.exp(whole - math.lgamma(a + 1) - math.lgamma(b + 1) + a * math.log(share) + b * math.log1p(-share)) for a, b in pairs)


def _know(teachers: list[int], teacher: int) -> None:
    if len(teachers) < SUPPORT and teacher not in teachers:
        teachers.append(teacher)


@dataclass(frozen=True)
class Question:
    """One op: its state and words a key, what a row's operand says, which of a window's values is taught, and the answer."""

    make: Callable[[], Any]
    words: int
    said: Callable[[Any], float | int | None]
    """The value of an operand; None when it is missing."""
    better: Callable[[Any, Any, int], bool]
    """Whether a value takes the place of an earlier one of the window."""
    answer: Callable[[Any, Mapping[str, Any], Any], float]
    asks: bool = True
    """Whether a row without the operand has no answer."""


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _id(value: int) -> int | None:
    return value or None


def _broken(value: int) -> int | None:
    return {1: 0, -1: 1}.get(value)


def _spread(value: int, window: int) -> int:
    """A draw between the values of one window that is another in the next."""
    mixed = ((value >> _MOST << _MOST) ^ window) * 0x9E3779B97F4A7C15 & _WORD
    return (mixed ^ mixed >> 32) * 0xD6E8FEB86659FD93 & _WORD


def _larger(new: float, old: float, _: int) -> bool:
    return new > old


def _drawn(new: int, old: int, window: int) -> bool:
    return _spread(new, window) < _spread(old, window)


QUESTIONS: dict[str, Question] = {
    "quantile": Question(Histogram, 8, _number, _larger, lambda kept, settings, _: kept.quantile(settings["q"]), asks=False),
    "tail": Question(Histogram, 8, _number, _larger, lambda kept, _, value: kept.tail(value)),
    "novelty": Question(Novelty, 4, _id, _drawn, lambda kept, _, value: kept.answer(value)),
    "surprise": Question(Successors, 3, _id, _drawn, lambda kept, _, value: kept.answer(value)),
    "always": Question(Always, 3, _broken, _larger, lambda kept, _, __: kept.answer(), asks=False),
}
