"""Sessions of a replay: what each added up to, until it has ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from apisec_otel.cli.judged import Rows
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
    rank: float = 0.0
    """Where its conduct puts it as of its last request, 0 to 1."""
    raised: dict[int, dict[Pair, float]] = field(default_factory=dict)
    """By entity: best score of each (detector, endpoint) that was raised in the session."""

    @property
    def score(self) -> float:
        """The largest of what an entity accumulated here, of the best request and of its rank by conduct."""
        return max([self.best, self.rank, *(accumulated(pairs.values()) for pairs in self.raised.values())])

    @property
    def detectors(self) -> list[str]:
        """Which were raised in it."""
        return sorted({detector for pairs in self.raised.values() for detector, _ in pairs})


class SessionBook:
    """Totals of open sessions. The pipeline's own table says when one has ended, and bounds how many there are."""

    def __init__(self) -> None:
        self._open: dict[int, SessionTotals] = {}

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
        rank = rows.ranks[order][at + counts - 1]
        grouped = zip(keys.tolist(), first.tolist(), last.tolist(), counts.tolist(), best.tolist(), rank.tolist(), strict=True)
        for key, begun, latest, count, score, ranked in grouped:
            totals = self._open.setdefault(key, SessionTotals(key, begun, latest))
            totals.first, totals.last = min(totals.first, begun), max(totals.last, latest)
            totals.requests += count
            totals.best = max(totals.best, score)
            totals.rank = ranked or totals.rank
        for finding in findings:
            if finding.suppressed != "shadow":
                self._raise(finding)

    def _raise(self, finding: Finding) -> None:
        if (totals := self._open.get(finding.session)) is None:
            return
        pairs = totals.raised.setdefault(finding.entity, {})
        pair = (finding.detector, finding.endpoint)
        pairs[pair] = max(finding.score, pairs.get(pair, 0.0))

    def end(self, key: int) -> SessionTotals | None:
        """Takes out a session; None when it is not known."""
        return self._open.pop(key, None)

    def end_all(self) -> Iterator[SessionTotals]:
        """Takes out all, in order of their first request."""
        yield from sorted(self._open.values(), key=lambda totals: (totals.first, totals.key))
        self._open.clear()
