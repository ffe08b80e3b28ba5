"""How machine-like a session goes about its requests: it ranks sessions, and says so of nobody unless asked to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from apisec_otel.api import Logic, Number, Severity, Share, Signal, State, Step, exp, maximum, when

PAGES = 3
"""Before so many pages the rank is near chance."""
MIDDLE = 4.0
"""A session of this score and evidence ranks in the middle."""
SURE = 3.0
"""Evidence counts from here on (natural logarithm)."""


@dataclass(frozen=True, kw_only=True)
class SessionConduct:
    """Ranks sessions by how far their pace, ways, loads and refusals lie on the machine-like side of others'.

    Twelve features have one side each that is machine-like, known beforehand, so that a population half of machines moves
    nobody's order. Integrations rank high and harm nobody: by itself the rank is told of nobody, unless `alone` is set.
    """

    owasp: ClassVar[str] = "API4:2023"
    reference: ClassVar[str] = "docs/playbooks/session_conduct.md"
    technique: ClassVar[str] = "T1595"
    severity: ClassVar[Severity] = "low"

    alone: bool = False
    """Raised for a session that stays among the highest of its service for three pages."""
    highest: Share = 0.01
    """That high is a session that fewer sessions than this share equal."""

    def signals(self, row: Step, state: State) -> Iterator[Signal]:
        """Ranks each request's session; raised only where `alone` is set."""
        part = partial(state.conduct, row=row)
        score, pages = part("score"), part("pages")
        total = score + maximum(part("evidence") - SURE, 0)
        yield Signal(
            when=self._lasts(row, state, score, pages),
            entity=row.session,
            ranks=when(pages >= PAGES, 1 / (1 + exp(MIDDLE - total)), total / 0),
            evidence={
                "score": score,
                "leaps": (part("mean.jump"), part("usual.jump")),
                "refused": (part("mean.fail"), part("usual.fail")),
            },
            because="goes about it as machines do, at a score of {score.observed:.1f} where people lie near 0: "
            "{leaps.observed:.0%} of moves lead neither up, down nor beside (usual {leaps.expected:.0%}), "
            "{refused.observed:.0%} of requests refused (usual {refused.expected:.0%})",
        )

    def _lasts(self, row: Step, state: State, score: Number, pages: Number) -> Logic:
        if not self.alone:
            return ~row.always
        rare = state.tail(score, by=row.service, taught_by=row.actor, where=pages >= PAGES)
        moved = pages != state.last(pages, by=row.session)
        return (pages >= PAGES) & (state.streak(rare < self.highest, by=row.session, where=moved) >= PAGES)
