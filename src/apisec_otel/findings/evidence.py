"""Evidence: what one detector has against one entity, five minutes at a time, and what it weighs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from apisec_otel.findings.severity import Level

BUCKET: Final = 300 * 10**9
"""Of all that a detector raises within so long (ns) the best counts."""
HALF_LIFE: Final = 72
"""Buckets after which points are half as many: 6 hours."""
KEPT: Final = 8
"""Buckets of a detector that count; the next would add less than a 256th."""
MOST: Final = 300.0
"""No risk is higher."""
IDS: Final = 64
"""Findings that are named; the others are counted."""

WEIGHTS: Final = {Level.INFO: 0.0, Level.LOW: 0.5, Level.MEDIUM: 1.0, Level.HIGH: 2.0, Level.CRITICAL: 4.0}
FIXED: Final = {Level.MEDIUM: 60.0, Level.HIGH: 80.0, Level.CRITICAL: 100.0}
"""Points of what is proof, whatever its p."""
UNKNOWN: Final = 1e-4
"""What counts as p where none is known."""


def points(level: Level, p: float, *, deterministic: bool = False) -> float:
    """What a raised signal weighs: its severity times how unlikely it is, at most 50 times its weight.

    >>> points(Level.HIGH, 1e-4), points(Level.HIGH, 1e-30), points(Level.LOW, 1e-8), points(Level.HIGH, 1, deterministic=True)
    (20.0, 100.0, 10.0, 80.0)
    """
    if deterministic and level in FIXED:
        return FIXED[level]
    known = UNKNOWN if math.isnan(p) else max(p, 1e-300)
    return WEIGHTS[level] * min(50.0, max(0.0, -2.5 * math.log10(known)))


@dataclass(slots=True, kw_only=True)
class Evidence:
    """What a detector raised on an entity. Times are event times in ns. Adding up in any order gives the same."""

    detector: str
    owasp: str
    level: int
    points: float
    """Of the best; 0 where it is background or worth no more than a note."""
    sure: bool
    """Proof: no budget withholds it."""
    first: int
    last: int
    times: int = 1
    """How often it was raised, repeats included."""
    succeeded: int = 0
    """On how many requests that were answered with success."""
    shown: int = 0
    """Findings that were shown."""
    findings: list[tuple[int, str]] = field(default_factory=list)
    """Time and id of the earliest of them, in order."""
    entity: int
    kind: str
    principal: int
    rank: tuple[int, float, int, str]
    """Of the worst finding, whose facts follow: level, points, how early, id."""
    reason: str
    endpoint: str
    service: str
    trace: str
    span: str

    def add(self, other: Evidence) -> None:
        """Joins what the same detector raised."""
        self.points = max(self.points, other.points)
        self.level = max(self.level, other.level)
        self.sure |= other.sure
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        self.times += other.times
        self.succeeded += other.succeeded
        self.shown += other.shown
        self.findings = sorted([*self.findings, *other.findings])[:IDS]
        if other.rank > self.rank:
            for name in _FACTS:
                setattr(self, name, getattr(other, name))

    @property
    def bucket(self) -> int:
        """The five minutes that it began in."""
        return self.first // BUCKET

    def copy(self) -> Evidence:
        """One that may be added to."""
        return Evidence(**self.row())

    def row(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Evidence:
        """From what JSON gives back."""
        found = [(int(at), str(id)) for at, id in row["findings"]]
        level, worth, early, id = row["rank"]
        return cls(**{**row, "findings": found, "rank": (level, worth, early, id)})


_FACTS: Final = ("entity", "kind", "principal", "rank", "reason", "endpoint", "service", "trace", "span")


def risk(weighed: Iterable[tuple[Evidence, float]], bucket: int) -> float:
    """Risk as of a bucket: for each detector the best, half of the next best, and so on, each halved in 6 hours; at most 300.

    `weighed` is evidence with the strength of the link to whom it is against. Of one detector and bucket only the best
    counts: linked entities have at most what they would have as one.
    """
    best: dict[str, dict[int, float]] = {}
    for each, strength in weighed:
        if each.points:
            of = best.setdefault(each.detector, {})
            of[each.bucket] = max(of.get(each.bucket, 0.0), strength * each.points * 0.5 ** (max(0, bucket - each.bucket) / HALF_LIFE))
    ranked = (sorted(of.values(), reverse=True)[:KEPT] for of in best.values())
    return min(MOST, sum(worth * 0.5**place for of in ranked for place, worth in enumerate(of)))
