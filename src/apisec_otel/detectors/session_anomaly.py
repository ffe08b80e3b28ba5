"""A session unlike the other sessions of its service: a weak vote, with what is unusual about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from apisec_otel.api import Logic, Number, Severity, Share, Signal, State, Step, Times, maximum, when

WINDOW = timedelta(minutes=10)
TREES = {"n_trees": 25, "height": 6, "window_size": 100}
"""A hundred sessions make a window; what a key keeps has 25 kB, and as much for each feature."""
USUAL = 0.5


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
        measured = _measured(row, state, seen)
        by, taught_by = row.service, row.actor
        ranks = {name: 1 - state.tail(value, by=by, taught_by=taught_by) for name, value in measured.items()}
        teaches = seen == self.at_least

        def odd(instead: tuple[str, float] | None = None) -> Number:
            return state.model("anomaly.HalfSpaceTrees", ranks, by=by, taught_by=taught_by, where=teaches, instead=instead, **TREES)

        oddness = odd()
        reasons = {name: oddness - odd((name, USUAL)) for name in measured}
        first, *rest = reasons.values()
        strongest = maximum(first, *rest)
        usual = {name: state.quantile(value, USUAL, by=by, taught_by=taught_by) for name, value in measured.items()}
        rare = state.tail(oddness, by=by, taught_by=taught_by, where=seen >= self.at_least)
        yield Signal(
            when=(seen >= self.at_least) & (rare < self.rarest),
            p=rare,
            entity=row.session,
            evidence={name: (_where(reasons[name] >= maximum(strongest / 2, 0), value), usual[name]) for name, value in measured.items()},
            because="unlike other sessions of the service, by what its evidence names; fewer than {rarest:.1%} are as odd",
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


def _where(condition: Logic, value: Number) -> Number:
    """The value where the condition holds, else nothing."""
    return when(condition, value, value / 0)
