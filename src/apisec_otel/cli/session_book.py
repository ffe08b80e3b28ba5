"""Sessions of a replay: what each added up to, until it has ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from apisec_otel.cli.judged import NANO, Rows
from apisec_otel.findings.finding import Finding
from apisec_otel.findings.risk import Pair, accumulated


@dataclass(slots=True)
class SessionTotals:
    """One session; times in nanoseconds."""

    key: int
    first: int
    last: int
    requests: int = 0
    best: float = 0.0
    """The largest score of a request."""
    raised: dict[int, dict[Pair, float]] = field(default_factory=dict)
    """By entity: best score of each (detector, endpoint) that was raised in the session."""

    @property
    def score(self) -> float:
        """The larger of what an entity accumulated here and of the best request."""
        return max([self.best, *(accumulated(pairs.values()) for pairs in self.raised.values())])

    @property
    def detectors(self) -> list[str]:
        """Which were raised in it."""
        return sorted({detector for pairs in self.raised.values() for detector, _ in pairs})


QUIET: Final = 25 * 3600 * NANO
"""A session lasts at most 24 hours: what was not seen for longer will not come again."""

LIMIT: Final = 400_000
"""Sessions held when the pipeline does not say which have ended; more than its own table holds by default."""


class SessionBook:
    """Totals of open sessions, the one longest unseen first; the pipeline's own table says when one has ended."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._open: dict[int, SessionTotals] = {}
        self._limit = limit

    def add(self, rows: Rows, findings: Sequence[Finding]) -> None:
        """Counts a batch: Python runs for each session in it, not for each row."""
        order = np.argsort(rows.records["session"], kind="stable")
        keys, at, counts = np.unique(rows.records["session"][order], return_index=True, return_counts=True)
        if len(keys) and keys[0] == 0:  # no session
            keys, at, counts = keys[1:], at[1:], counts[1:]
        if not len(keys):
            return
        starts = rows.records["start"][order]
        first, last = np.minimum.reduceat(starts, at), np.maximum.reduceat(starts, at)
        best = np.maximum.reduceat(rows.best[order], at)
        grouped = zip(keys.tolist(), first.tolist(), last.tolist(), counts.tolist(), best.tolist(), strict=True)
        for key, begun, latest, count, score in grouped:
            totals = self._open.pop(key, None) or SessionTotals(key, begun, latest)
            self._open[key] = totals
            totals.first, totals.last = min(totals.first, begun), max(totals.last, latest)
            totals.requests += count
            totals.best = max(totals.best, score)
        for finding in findings:
            self._raise(finding)

    def _raise(self, finding: Finding) -> None:
        if (totals := self._open.get(finding.session)) is None:
            return
        pairs = totals.raised.setdefault(finding.entity, {})
        pair = (finding.detector, finding.endpoint)
        pairs[pair] = max(finding.score, pairs.get(pair, 0.0))

    def end(self, keys: Iterable[int]) -> Iterator[SessionTotals]:
        """Takes out those of the sessions that are known."""
        for key in keys:
            if (totals := self._open.pop(key, None)) is not None:
                yield totals

    def end_old(self, now: int) -> Iterator[SessionTotals]:
        """Takes out what was not seen for over a day before `now`, and what is over the limit."""
        while self._open:
            key, totals = next(iter(self._open.items()))
            if totals.last + QUIET >= now and len(self._open) <= self._limit:
                return
            del self._open[key]
            yield totals

    def end_all(self) -> Iterator[SessionTotals]:
        """Takes out all, in order of their first request."""
        yield from sorted(self._open.values(), key=lambda totals: (totals.first, totals.key))
        self._open.clear()
