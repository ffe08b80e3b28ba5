"""A session unlike the other sessions of its service: a weak vote, with what is unusual about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from apisec_otel.api import Number, Severity, Share, Signal, State, Step, Times, oddness

WINDOW = timedelta(minutes=10)
TREES = {"n_trees": 25, "height": 6, "window_size": 100}
"""A hundred sessions make a window; what a key keeps has 25 kB, and as much for each feature."""


@dataclass(frozen=True, kw_only=True)
class SessionAnomaly:
    """A session that is unlike the others of its service in how much, how widely and how vainly it asks.

    What a session did within ten minutes is ranked among what others did, and half-space trees say how few lie where it lies.
    Rare is not wrong: it is told as information, and adds little to the risk of who is suspected already. Each session
    teaches once in ten minutes, with the request at which it is judged first.
    """

    owasp: ClassVar[str] = "API4:2023"
    reference: ClassVar[str] = "docs/playbooks/session_anomaly.md"
    technique: ClassVar[str] = "T1190"
    severity: ClassVar[Severity] = "info"
    mode: ClassVar[str] = "off"
    """One session in a hundred is among the oddest hundredth: nobody wants to hear of each of them unasked."""

    at_least: Times = 10
    """A session is judged from this many requests on."""
    rarest: Share = 0.01
    """Raised where fewer sessions than this share are as odd."""

    def signals(self, row: Step, state: State) -> Iterator[Signal]:
        """Raised at each request of a session that is odd so far."""
        seen = state.count(by=row.session, within=WINDOW)
        odd = oddness(
            state,
            "anomaly.HalfSpaceTrees",
            TREES,
            _measured(row, state, seen),
            by=row.service,
            taught_by=row.actor,
            learned=seen == self.at_least,
            judged=seen >= self.at_least,
        )
        yield Signal(
            when=(seen >= self.at_least) & (odd.rare < self.rarest),
            p=odd.rare,
            entity=row.session,
            evidence=odd.evidence,
            because="unlike other sessions of the service: {evidence}; fewer than {rarest:.1%} are as odd",
        )


def _measured(row: Step, state: State, seen: Number) -> dict[str, Number]:
    """What a session did within the window. Durations are left out: they say how the server does."""
    return {
        "requests": seen,
        "endpoints": state.distinct(row.endpoint, by=row.session, within=WINDOW),
        "objects": state.distinct(row.object_id, by=row.session, within=WINDOW),
        "failed_share": state.count(by=row.session, within=WINDOW, where=row.failed) / seen,
        "denied_share": state.count(by=row.session, within=WINDOW, where=row.denied) / seen,
        "bytes_each": state.total(row.response_size, by=row.session, within=WINDOW) / seen,
    }
