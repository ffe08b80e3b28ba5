"""What the report adds up by service and by endpoint, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from apisec_otel.cli.judged import Rows
from apisec_otel.findings.text import escape

EIGHTHS: Final = 8
"""Steps of the duration histogram an octave: a percentile is right within 9 %."""
_LOWEST: Final = -20 * EIGHTHS
_CELLS: Final = 38 * EIGHTHS
"""From 1 microsecond to three days."""

LIMIT: Final = 5_000
"""Endpoints (and services) told apart; the rest are one."""
OTHER: Final = "(others)"


@dataclass(slots=True)
class Tally:
    """Requests, how many failed (400 and up), and how long they took."""

    requests: int = 0
    failed: int = 0
    best: float = 0.0
    durations: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_CELLS, np.int64))

    @property
    def p95(self) -> float | None:
        """Seconds within which 95 of 100 requests were answered; None when no duration is known."""
        return self.quantile(95)

    def quantile(self, percent: int) -> float | None:
        """Seconds within which so many of 100 requests were answered."""
        known = int(self.durations.sum())
        if not known:
            return None
        cell = int(np.searchsorted(np.cumsum(self.durations), -(-percent * known // 100)))
        return float(2 ** ((cell + _LOWEST + 0.5) / EIGHTHS))

    def add(self, rows: Rows, at: NDArray[np.intp]) -> None:
        """Counts those of the rows."""
        records = rows.records
        self.requests += len(at)
        self.failed += int((records["failed"][at] == 1).sum())
        self.best = max(self.best, float(rows.best[at].max()))
        seconds = records["duration"][at]
        seconds = seconds[np.isfinite(seconds) & (seconds >= 0)]
        cells = np.floor(np.log2(np.maximum(seconds, 2.0 ** (_LOWEST / EIGHTHS))) * EIGHTHS).astype(np.int64) - _LOWEST
        self.durations += np.bincount(np.minimum(cells, _CELLS - 1), minlength=_CELLS)


class Tallies:
    """Tallies by the names that a key column stands for."""

    def __init__(self, column: str) -> None:
        self._column = column
        self._by_key: dict[int, Tally] = {}
        self._names: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def add(self, rows: Rows) -> None:
        """Counts a batch: Python runs for each key in it, not for each row."""
        keys = rows.records[self._column]
        order = np.argsort(keys, kind="stable")
        found, starts = np.unique(keys[order], return_index=True)
        for key, at in zip(found.tolist(), np.split(order, starts[1:]), strict=True):
            self._tally(rows, key, int(at[0])).add(rows, at)

    def ranked(self) -> list[tuple[str, Tally]]:
        """Names with their tallies, the most requests first."""
        named = [(self._names[key], tally) for key, tally in self._by_key.items()]
        return sorted(named, key=lambda pair: (-pair[1].requests, pair[0]))

    def _tally(self, rows: Rows, key: int, at: int) -> Tally:
        if key not in self._by_key:
            if len(self._by_key) >= LIMIT:
                key = -1
            self._by_key.setdefault(key, Tally())
            self._names[key] = OTHER if key == -1 else self._name(rows, at)
        return self._by_key[key]

    def _name(self, rows: Rows, at: int) -> str:
        if self._column == "endpoint":
            return rows.names[at]
        return escape(rows.batch.text(int(rows.index[at]), self._column) or "(no name)")


@dataclass(slots=True)
class Unknowns:
    """How many requests lack what detectors look at."""

    status: int = 0
    endpoint: int = 0
    principal: int = 0
    client: int = 0
    session: int = 0

    def add(self, rows: Rows) -> None:
        """Counts a batch."""
        records = rows.records
        self.status += int(np.isnan(records["status"]).sum())
        self.endpoint += int((records["endpoint"] == 0).sum())
        self.principal += int((records["principal"] == 0).sum())
        self.client += int((records["client"] == 0).sum())
        self.session += int((records["session"] == 0).sum())
