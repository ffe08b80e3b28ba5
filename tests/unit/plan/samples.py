"""Small detectors made of one expression, for the planner's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from apisec_otel.api import Request, Severity, Signal, State
from apisec_otel.plan.build import Plan, build
from apisec_otel.plan.draft import Chosen

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Raises what the function says."""

    owasp: ClassVar[str] = "API1:2023"
    severity: ClassVar[Severity] = "high"

    say: Callable[[Request, State], Signal]
    window: timedelta = timedelta(minutes=10)
    at_least: int = 20

    def signals(self, row: Request, state: State) -> Iterator[Signal]:
        yield self.say(row, state)


def planned(*says: Callable[[Request, State], Signal], memory: int = 128 << 20) -> Plan:
    """The plan of one sample for each function."""
    return build([Chosen(id=f"sample_{n}", detector=Sample(say=say)) for n, say in enumerate(says)], memory=memory)


def busy(row: Request, state: State) -> Signal:
    """More than 20 rows of a client a minute."""
    return Signal(when=state.count(by=row.client, within=MINUTE) > 20, entity=row.client, because="busy")
