"""Broken object level authorization, found by its direction: object numbers tried one after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar

from annotated_types import Interval

from apisec_otel.api import Severity, Signal, State, Step, Times, Within, absolute, exp, maximum

CHANCE = -math.log(4)
"""An honest next number lies near and in the same direction at most one time in four."""


@dataclass(frozen=True, kw_only=True)
class BolaWalk:
    """One actor goes through the objects of an endpoint in the order of their numbers.

    Judged in the order of time, for a walk that arrives shuffled is none. What the server answered does not matter: a walk of
    refusals is one too. A number that repeats is no step, one in the other direction begins anew. How far people usually walk
    is learned for each endpoint from its actors, so that lists which many page through stay quiet.
    """

    owasp: ClassVar[str] = "API1:2023"
    reference: ClassVar[str] = "docs/playbooks/bola_walk.md"
    technique: ClassVar[str] = "T1213"
    severity: ClassVar[Severity] = "high"

    steps: Times = 12
    """Raised at this many steps in one direction."""
    stride: Annotated[int, Interval(ge=1, le=1_000)] = 4
    """Numbers further apart than this are no step."""
    pause: Within = timedelta(minutes=10)
    """A longer pause between two requests ends a walk."""

    def signals(self, row: Step, state: State) -> Iterator[Signal]:
        """Raised at each request that goes on with a walk."""
        key = (row.actor, row.endpoint)
        moved = row.object_number - state.last(row.object_number, by=key, within=self.pause)
        near = absolute(moved) <= self.stride
        up = state.streak(near & (moved > 0), by=key, where=moved != 0, within=self.pause)
        down = state.streak(near & (moved < 0), by=key, where=moved != 0, within=self.pause)
        walked = maximum(up, down)
        usual = state.quantile(walked, 0.999, by=row.endpoint, taught_by=row.actor)
        yield Signal(
            when=walked >= maximum(self.steps, 3 * usual),
            p=exp(CHANCE * (walked - maximum(usual, 0))),
            entity=row.actor,
            evidence={"steps": (walked, usual), "stride": absolute(moved)},
            because="{steps.observed:.0f} steps in one direction through the objects of {endpoint}; "
            "what 999 of 1,000 others stay at or under: {steps.expected:.0f}",
        )
