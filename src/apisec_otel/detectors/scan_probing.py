"""Scanning, found by how many different doors are tried that are not there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from apisec_otel.api import LOW, MEDIUM, Id, Logic, Request, Severity, Share, Signal, State, Within, exp, known, minimum, when


@dataclass(frozen=True, kw_only=True)
class ScanProbing:
    """A client, or a principal once it is known, tries paths that do not exist as a scanner does.

    A threshold random walk over first meetings: only the first time within the window that somebody meets an endpoint (or,
    where no route matched, a path) is a trial. So a broken client that repeats one dead path counts once, however often,
    and what people find weighs against what they miss. A miss is 404 or 405, or a refusal where no route matched; an expired
    token on real endpoints, a fault of the server and a rate limit say nothing.
    """

    owasp: ClassVar[str] = "API8:2023"
    reference: ClassVar[str] = "docs/playbooks/scan_probing.md"
    technique: ClassVar[str] = "T1595.003"
    severity: ClassVar[Severity] = "medium"
    background: ClassVar[bool] = True

    window: Within = timedelta(hours=2)
    """Meeting the same endpoint or path again within this time is no trial."""
    normal: Share = 0.1
    """Part of the first meetings that miss for people and programs that work."""
    attack: Share = 0.6
    """Part of the first meetings that miss for one who probes."""
    half_life: Within = timedelta(minutes=30)
    """After so long a miss counts half."""
    false_alarms: Share = 1e-5
    """Part of the honest clients that may be raised."""

    def signals(self, row: Request, state: State) -> Iterator[Signal]:
        """Raised at each new miss past the odds: by client while nobody is logged in (low while nothing answers), else by principal."""
        miss = row.not_found | (row.denied & ~known(row.route))
        yield self._probing(row, state, row.client, ~row.authenticated & miss, ~row.authenticated & row.succeeded, lowest=LOW)
        yield self._probing(row, state, row.principal, miss, row.succeeded, lowest=MEDIUM)

    def _probing(self, row: Request, state: State, who: Id, miss: Logic, found: Logic, *, lowest: int) -> Signal:
        matched = known(row.route)
        met = miss | found
        by_route = state.count(by=(who, row.endpoint), where=met & matched, within=self.window)
        by_path = state.count(by=(who, row.path), where=met & ~matched, within=self.window)
        first = (matched & (by_route <= 1)) | (~matched & (by_path <= 1))
        odds = state.trw(miss, by=who, where=met & first, normal=self.normal, attack=self.attack, half_life=self.half_life)
        answered = state.count(by=who, where=found & first, within=self.window)
        return Signal(
            when=miss & first & (odds >= math.log(0.99 / self.false_alarms)),
            p=minimum(1, exp(-odds)),
            entity=who,
            severity=when(answered > 0, MEDIUM, lowest),
            evidence={"missed": state.count(by=who, where=miss & first, within=self.window), "answered": answered},
            because="{missed.observed:.0f} different endpoints tried in {window} are not there; {answered.observed:.0f} answered",
        )
