"""Sessions told request by request: what replay judges of those that are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from apisec_otel.cli.judged import NANO, Rows, Summary, Told
from apisec_otel.cli.session_book import SessionTotals
from apisec_otel.cli.tallies import Tallies, Tally
from apisec_otel.findings.finding import Finding
from apisec_otel.findings.incident import Incident
from apisec_otel.receivers.otlp_json_file import Fault

MOST: Final = 10_000
"""Requests that are told; those after them are counted."""
NEAREST: Final = 10
"""Sessions that are named where the one asked for is not there: those with the largest scores."""

Wanted = Callable[[Rows], NDArray[np.bool_]]
"""Which rows are told of."""


@dataclass(slots=True)
class Entry:
    """One request. Times are nanoseconds since 1970, durations seconds."""

    start: int
    duration: float | None
    trace_id: str
    span_id: str
    session: int
    principal: int
    endpoint: str
    status: int
    score: float
    failed: bool
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cost:
    """What requests cost, as one figure each."""

    requests: int
    failed: int
    p50: float | None
    p95: float | None


class Timeline:
    """Keeps the requests asked for, what became of their sessions, and how the others fared at the same endpoints."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self.entries: list[Entry] = []
        self.left_out = 0
        """Requests that are not told, for there are more than `MOST`."""
        self.totals: dict[int, SessionTotals] = {}
        self.best: list[SessionTotals] = []
        """Sessions with the largest scores, whoever's."""
        self.incidents: dict[str, Incident] = {}
        """By id, as each was told last."""
        self.found: dict[str, Finding] = {}
        """Findings that were shown, by id: the first `MOST`."""
        self.summary = Summary()
        self._everywhere = Tallies("endpoint")

    def batch(
        self,
        rows: Rows,
        findings: Sequence[Finding],
        ended: Sequence[tuple[int, SessionTotals]] = (),
        told: Sequence[tuple[int, Told]] = (),
    ) -> None:
        """Takes a judged batch."""
        for _, each in told:
            self.told(each)
        for _, totals in ended:
            self.session(totals)
        if not len(rows):
            return
        self._everywhere.add(rows)
        found: dict[int, list[Finding]] = {}
        for finding in findings:
            found.setdefault(finding.row, []).append(finding)
            if not finding.suppressed and len(self.found) < MOST:
                self.found[finding.id] = finding
        for at in np.flatnonzero(self._wanted(rows)).tolist():
            if len(self.entries) < MOST:
                self.entries.append(_entry(rows, at, found.get(int(rows.index[at]), [])))
            else:
                self.left_out += 1

    def told(self, told: Told) -> None:
        """Keeps the last word of each incident."""
        if isinstance(told, Incident):
            self.incidents[told.id] = told

    def session(self, totals: SessionTotals) -> None:
        """Keeps what became of the sessions."""
        if any(totals.key == entry.session for entry in self.entries):
            self.totals[totals.key] = totals
        self.best = sorted([*self.best, totals], key=lambda each: (-each.score, each.key))[:NEAREST]

    def fault(self, fault: Fault) -> None:
        """Faults come with the summary."""

    def end(self, summary: Summary) -> None:
        """All is read."""
        self.summary = summary
        self.entries.sort(key=lambda entry: (entry.start, entry.span_id))

    def own(self) -> Cost:
        """What the requests told here cost."""
        durations = [entry.duration for entry in self.entries if entry.duration is not None]
        p50, p95 = (float(np.percentile(durations, share)) for share in (50, 95)) if durations else (None, None)
        return Cost(len(self.entries), sum(entry.failed for entry in self.entries), p50, p95)

    def others(self) -> Cost:
        """What all requests to the same endpoints cost, these left out of the counts."""
        names = {entry.endpoint for entry in self.entries}
        same = [tally for name, tally in self._everywhere.ranked() if name in names]
        own, whole = self.own(), Tally()
        for tally in same:
            whole.requests, whole.failed, whole.durations = (
                whole.requests + tally.requests,
                whole.failed + tally.failed,
                whole.durations + tally.durations,
            )
        return Cost(whole.requests - own.requests - self.left_out, max(0, whole.failed - own.failed), whole.quantile(50), whole.p95)


def _entry(rows: Rows, at: int, findings: list[Finding]) -> Entry:
    record = rows.records[at]
    status, duration = float(record["status"]), float(record["duration"])
    return Entry(
        start=int(record["start"]),
        duration=duration if np.isfinite(duration) else None,
        trace_id=record["trace_id"].tobytes().hex(),
        span_id=record["span_id"].tobytes().hex(),
        session=int(record["session"]),
        principal=int(record["principal"]),
        endpoint=rows.names[at],
        status=int(status) if 0 < status < 1000 else 0,
        score=float(rows.best[at]),
        failed=bool(record["failed"] == 1),
        findings=[finding for finding in findings if finding.suppressed != "shadow"],
    )


def of_session(digits: str) -> Wanted:
    """The rows of the session whose id begins with these hexadecimal digits; ValueError when they are none."""
    return _beginning("session", digits)


def of_principal(digits: str) -> Wanted:
    """The rows of the principal whose hash begins so."""
    return _beginning("principal", digits)


def _beginning(column: str, digits: str) -> Wanted:
    if not 4 <= len(digits) <= 16 or any(digit not in "0123456789abcdef" for digit in digits):
        raise ValueError(f"{digits!r} is no id: write its 16 hexadecimal digits as findings show them, or the first 4 or more")
    shift = np.uint64(64 - 4 * len(digits))
    return lambda rows: (rows.records[column] >> shift == np.uint64(int(digits, 16))) & (rows.records[column] != 0)


def of_sessions(keys: set[int], others: set[tuple[str, str]]) -> Wanted:
    """The rows of some sessions, and single ones by trace and span id."""
    known = np.array(sorted(keys), np.uint64)

    def wanted(rows: Rows) -> NDArray[np.bool_]:
        told = np.isin(rows.records["session"], known)
        if others:
            ids = zip(rows.hexadecimal("trace_id"), rows.hexadecimal("span_id"), strict=True)
            told |= np.fromiter((pair in others for pair in ids), np.bool_, len(rows))
        return told

    return wanted


def pause(before: Entry | None, entry: Entry) -> float | None:
    """Seconds since the request before began."""
    return None if before is None else (entry.start - before.start) / NANO
