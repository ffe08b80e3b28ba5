"""The Internet's usual noise: who is nobody and was refused everywhere is told of once a day, together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from apisec_otel.findings.finding import Finding, Hash, Rule, finding_id
from apisec_otel.findings.severity import Level
from apisec_otel.findings.text import short

DETECTOR: Final = "background_scanning"
RULE: Final = Rule(
    DETECTOR,
    "What nobody known tried in a day and was refused everywhere: the Internet's usual noise.",
    reference="docs/playbooks/background_scanning.md",
)
"""What the wire says of it."""
DAY: Final = 86400 * 10**9
CALLERS: Final = 4096
"""Callers of a day that are told apart."""
NO_ROW: Final = -1
"""Row of a finding that belongs to no request."""


@dataclass(slots=True)
class Tally:
    """What one day brought."""

    signals: int = 0
    first: int = 0
    last: int = 0
    callers: set[int] = field(default_factory=set)
    detectors: Counter[str] = field(default_factory=Counter)

    def count(self, detector: str, caller: int, at: int) -> None:
        """Counts a raised signal."""
        self.first = min(self.first or at, at)
        self.last = max(self.last, at)
        self.signals += 1
        self.detectors[detector] += 1
        if len(self.callers) < CALLERS:
            self.callers.add(caller)


class Background:
    """Counts by day (UTC) of stream time; a day is told once it is over, or with the end of input, and once only."""

    def __init__(self, keyed_hash: Hash) -> None:
        self._hash = keyed_hash
        self._days: dict[int, Tally] = {}
        self._told = -1

    @property
    def due(self) -> int | None:
        """When the first day that has something to tell is over (ns)."""
        return (min(self._days) + 1) * DAY if self._days else None

    def count(self, detector: str, caller: int, at: int) -> None:
        """Counts a signal that is background, at `at` (ns). What comes for a day that was told counts for the next."""
        self._days.setdefault(max(at // DAY, self._told + 1), Tally()).count(detector, caller, at)

    def take_due(self, now: int) -> list[Finding]:
        """The summaries of the days that are over at `now` (ns)."""
        return [self._tell(day) for day in sorted(self._days) if (day + 1) * DAY <= now]

    def take_all(self) -> list[Finding]:
        """Those of all days, for nothing comes any more."""
        return [self._tell(day) for day in sorted(self._days)]

    def _tell(self, day: int) -> Finding:
        tally = self._days.pop(day)
        self._told = day
        return _summary(self._hash, day, tally)

    def row(self) -> dict[str, Any]:
        """As JSON takes it."""
        days = {day: [each.signals, each.first, each.last, sorted(each.callers), each.detectors] for day, each in self._days.items()}
        return {"told": self._told, "days": days}

    def take(self, row: Mapping[str, Any]) -> None:
        """Goes on from there."""
        self._told = int(row["told"])
        for day, (signals, first, last, callers, detectors) in row["days"].items():
            self._days[int(day)] = Tally(signals, first, last, set(callers), Counter(detectors))


def _summary(keyed_hash: Hash, day: int, tally: Tally) -> Finding:
    said = ", ".join(f"{detector} {count:,}" for detector, count in _largest(tally.detectors.items()))
    least = "at least " if len(tally.callers) >= CALLERS else ""
    who = f"{least}{len(tally.callers):,} {'caller' if len(tally.callers) == 1 else 'callers'} nobody knows"
    return Finding(
        id=finding_id(keyed_hash, DETECTOR, 0, day, b"", b""),
        detector=DETECTOR,
        level=Level.INFO,
        owasp="",
        score=0.0,
        risk=0.0,
        p=math.nan,
        reason=short(f"Scanning in one day by {who}, all of it refused (4xx): {tally.signals:,} signals ({said})"),
        entity=0,
        entity_kind="",
        session=0,
        principal=0,
        endpoint=0,
        endpoint_name="",
        trace_id=b"",
        span_id=b"",
        start=tally.first,
        end=tally.last,
        evidence={"signals": (float(tally.signals), math.nan), "callers": (float(len(tally.callers)), math.nan)},
        row=NO_ROW,
        step=True,
    )


def _largest(counts: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(counts, key=lambda each: (-each[1], each[0]))
