"""Histograms of baselines: one a key, taught the largest value of each teacher's window once that window has closed."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field

SUPPORT = 20
HALVED_AT = 16_384
_LEAST, _MOST = 2.0**-20, 2.0**44
_TOP = 128
_FIT_AT, _FIT_LEAST = 1_280, 40
DAY = 86_400_000_000_000
_SLOW_AT, _SLACK, _BODY_MOVES, _RATIO_MOVES, _MOST_DAYS = 1_000, 1.5, 1.1, 1.01, 7


def bin_of(value: float) -> int:
    """Eight bins an octave; all that is not above zero is one bin."""
    if value <= 0:
        return 0
    clamped = min(max(value, _LEAST), _MOST)
    bits: int = struct.unpack("<Q", struct.pack("<d", clamped))[0]
    return bits >> 49


def _low(place: int) -> float:
    low: float = struct.unpack("<d", struct.pack("<Q", place << 49))[0]
    return low


def _whole(value: float) -> bool:
    return math.isfinite(value) and value == math.floor(value)


@dataclass(frozen=True)
class Fit:
    """A Pareto tail over the logarithms of what lies above a threshold."""

    start: float
    share: float
    shape: float
    scale: float
    whole: bool

    def tail(self, value: float) -> float:
        """The share at or above a value above the threshold."""
        value -= 0.5 if self.whole and _whole(value) else 0.0
        height = max(math.log(value / self.start), 0.0) / self.scale if value < math.inf else math.inf
        if abs(self.shape) < 1e-6:
            return self.share * math.exp(-height)
        inside = 1 + self.shape * height
        return self.share * inside ** (-1 / self.shape) if inside > 0 else 0.0

    def quantile(self, p: float) -> float:
        """The value that a share p lies above."""
        ratio = p / self.share
        height = -math.log(ratio) if abs(self.shape) < 1e-6 else (ratio**-self.shape - 1) / self.shape
        return self.start * math.exp(self.scale * height)


@dataclass
class Histogram:
    """What the teachers of one key have taught."""

    counts: dict[int, int] = field(default_factory=dict)
    largest: dict[int, float] = field(default_factory=dict)
    top: list[float] = field(default_factory=list)
    """All values above the last of them, the largest first."""
    teachers: list[int] = field(default_factory=list)
    taught: int = 0
    """All contributions that are still counted."""
    day: int = 0
    body: float = 0.0
    ratio: float = 0.0
    spread: float = 0.0

    def learn(self, value: float, teacher: int, time: int) -> None:
        """One contribution, taught at the end of its window."""
        self._turn(time // DAY + 1)
        place = bin_of(value)
        if len(self.top) == self.taught < _TOP or (self.top and value > self.top[-1]):
            self.top = sorted([*self.top, value], reverse=True)[:_TOP]
        self.counts[place] = self.counts.get(place, 0) + 1
        self.largest[place] = max(self.largest.get(place, value), value)
        self.taught += 1
        if len(self.teachers) < SUPPORT and teacher not in self.teachers:
            self.teachers.append(teacher)
        if self.taught >= HALVED_AT:
            self.counts = {place: count // 2 for place, count in self.counts.items() if count // 2}
            self.largest = {place: self.largest[place] for place in self.counts}
            self.top = self.top[1::2]
            self.taught = sum(self.counts.values())

    def supported(self) -> bool:
        """Whether enough different teachers have taught."""
        return len(self.teachers) >= SUPPORT

    def quantile(self, q: float) -> float:
        """The value that a share q stays at or below."""
        fit = self._fit()
        live = fit.quantile(1 - q) if fit and 1 - q < fit.share else self._counted(q)
        return self._scale() * live

    def tail(self, value: float) -> float:
        """The share of contributions at or above, the row itself counted as one."""
        value /= self._scale()
        fit = self._fit()
        if fit and value > self.top[-1]:
            return fit.tail(value)
        if value > self.top[-1] or len(self.top) == self.taught:
            return (1 + sum(one >= value for one in self.top)) / (1 + self.taught)
        own = bin_of(value)
        above: float = sum(count for place, count in self.counts.items() if place > own)
        if own in self.counts:
            above += self.counts[own] * _share(own, self.largest[own], value)
        return (1 + above) / (1 + self.taught)

    def spilled(self) -> int:
        return 2 * len(self.counts) + len(self.top) + len(self.teachers)

    def _counted(self, q: float) -> float:
        wanted, reached = max(1, math.ceil(q * self.taught)), 0
        from_above = self.taught - wanted
        if from_above < len(self.top):
            return self.top[from_above]
        for place in sorted(self.counts):
            if reached + self.counts[place] >= wanted:
                low, top = _low(place), self.largest[place]
                inside = low + (top - low) * ((wanted - reached) / self.counts[place]) if place else top
                return float(math.ceil(inside)) if _whole(top) else inside
            reached += self.counts[place]
        return math.nan

    def _fit(self) -> Fit | None:
        total = self.taught
        if total < _FIT_AT or not self.top or self.top[-1] <= 0:
            return None
        whole = _whole(self.top[0]) and _whole(self.top[-1])
        start = self.top[-1] + 0.5 if whole else self.top[-1]
        above = [math.log(one / start) for one in self.top if one > self.top[-1]]
        size = len(above)
        if size < _FIT_LEAST:
            return None
        mean = sum(above) / size
        ranked = sum(one * ((rank + 0.5) / size) for rank, one in enumerate(above)) / size
        spread = mean - 2 * ranked
        raw = 2 - mean / spread if spread > 0 else 0.5
        shape = min(max(size * raw / (size + 50) + 0.5 / math.sqrt(size), -0.2 if whole else -0.5), 0.5)
        return Fit(start, size / total, shape, mean * (1 - shape), whole)

    def _turn(self, day: int) -> None:
        """Once a day the slow reference follows what was learned, by no more than it may."""
        if day <= self.day:
            return
        if self.taught >= _SLOW_AT and (body := self._counted(0.5)) > 0:
            high = self._counted(0.99)
            days = min(day - self.day, _MOST_DAYS)
            self.body = _follow(self.body, body, _BODY_MOVES**days)
            self.ratio = _follow(self.ratio, high / body, _RATIO_MOVES**days)
            self.spread = _follow(self.spread, self._counted(0.999) / high, _RATIO_MOVES**days)
        self.day = day

    def _scale(self) -> float:
        """How much of the live values the slow reference lets stand."""
        if self.body == 0:
            return 1.0
        allowed = _SLACK * self.body * self.ratio
        levels = ((self._counted(0.99), allowed), (self._counted(0.999), allowed * self.spread))
        return min(1.0, *(most / live if live > 0 else 1.0 for live, most in levels))


def _follow(old: float, new: float, most: float) -> float:
    return new if old == 0 else min(max(new, old / most), old * most)


def _share(place: int, largest: float, value: float) -> float:
    """The share of a bin that is at or above a value in it; whole numbers are taken for counts."""
    low = _low(place)
    if place == 0 or value <= low:
        return 1.0
    unit = 1.0 if _whole(value) and _whole(largest) else 0.0
    low = math.ceil(low) if unit else low
    width = largest - low + unit
    return min(1.0, max(0.0, (largest - value + unit) / width)) if width > 0 else 0.0
