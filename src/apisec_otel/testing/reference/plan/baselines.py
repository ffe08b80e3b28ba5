"""Baselines: one histogram a key, taught the largest value of each teacher's window once that window has closed."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field

PENDING_WORDS = 5
HISTOGRAM_WORDS = 3
_SUPPORT = 20
_HALVED_AT = 16_384
_LEAST, _MOST = 2.0**-20, 2.0**44


def bin_of(value: float) -> int:
    """Eight bins an octave; all that is not above zero is one bin."""
    if value <= 0:
        return 0
    clamped = min(max(value, _LEAST), _MOST)
    bits: int = struct.unpack("<Q", struct.pack("<d", clamped))[0]
    return bits >> 49


@dataclass
class Pending:
    """One teacher's open window."""

    window: int
    value: float
    by: int
    teacher: int
    order: int
    """Which row came first."""

    def spilled(self) -> int:
        return 0


@dataclass
class Histogram:
    """What the teachers of one key have taught."""

    counts: dict[int, int] = field(default_factory=dict)
    largest: dict[int, float] = field(default_factory=dict)
    teachers: list[int] = field(default_factory=list)

    def learn(self, value: float, teacher: int) -> None:
        """One contribution."""
        place = bin_of(value)
        self.counts[place] = self.counts.get(place, 0) + 1
        self.largest[place] = max(self.largest.get(place, value), value)
        if len(self.teachers) < _SUPPORT and teacher not in self.teachers:
            self.teachers.append(teacher)
        if self.total() >= _HALVED_AT:
            self.counts = {place: count // 2 for place, count in self.counts.items() if count // 2}
            self.largest = {place: self.largest[place] for place in self.counts}

    def total(self) -> int:
        """All contributions that are still counted."""
        return sum(self.counts.values())

    def supported(self) -> bool:
        """Whether enough different teachers have taught."""
        return len(self.teachers) >= _SUPPORT

    def quantile(self, q: float) -> float:
        """The largest value of the first bin that reaches the share q."""
        wanted, reached = max(1, math.ceil(q * self.total())), 0
        for place in sorted(self.counts):
            reached += self.counts[place]
            if reached >= wanted:
                return self.largest[place]
        return math.nan

    def tail(self, value: float) -> float:
        """The share of contributions at or above, the row itself counted as one."""
        above = sum(count for place, count in self.counts.items() if place >= bin_of(value))
        return (1 + above) / (1 + self.total())

    def spilled(self) -> int:
        return 2 * len(self.counts) + len(self.teachers)
