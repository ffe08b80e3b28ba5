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
    severity: ClassVar[Severity] = "medium"

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
        yield self._signal(row, state, row.client, ~row.authenticated, lowest=LOW)
        yield self._signal(row, state, row.principal, row.authenticated, lowest=MEDIUM)

    def _signal(self, row: Request, state: State, who: Id, rows: Logic, *, lowest: int) -> Signal:
        matched = known(row.route)
        miss = rows & (row.not_found | (row.denied & ~matched))
        met = rows & (miss | row.succeeded)
        by_route = state.count(by=(who, row.endpoint), where=met & matched, within=self.window)
        by_path = state.count(by=(who, row.path), where=met & ~matched, within=self.window)
        trial = met & ((matched & (by_route <= 1)) | (~matched & (by_path <= 1)))
        odds = state.trw(miss, by=who, where=trial, normal=self.normal, attack=self.attack, half_life=self.half_life)
        found = state.count(by=who, where=trial & row.succeeded, within=self.window)
        return Signal(
            when=trial & miss & (odds >= math.log(0.99 / self.false_alarms)),
            p=minimum(1, exp(-odds)),
            entity=who,
            severity=when(found > 0, MEDIUM, lowest),
            evidence={"missed": state.count(by=who, where=trial & miss, within=self.window), "found": found},
            because="{missed.observed:.0f} different endpoints tried in {window} are not there; {found.observed:.0f} answered",
        )
