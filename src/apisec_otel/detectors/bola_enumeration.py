"""Broken object level authorization, found by its breadth: objects read one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from apisec_otel.api import Request, Severity, Signal, State, Times, Within, maximum


@dataclass(frozen=True, kw_only=True)
class BolaEnumeration:
    """One principal reads far more objects of an endpoint than others do.

    How many is usual is learned for each endpoint from its principals, so an export or an admin screen that many use for
    whole lists stays quiet there; a principal that is flagged no longer teaches.
    """

    owasp: ClassVar[str] = "API1:2023"
    reference: ClassVar[str] = "docs/playbooks/bola_enumeration.md"
    technique: ClassVar[str] = "T1213"
    severity: ClassVar[Severity] = "high"

    window: Within = timedelta(minutes=10)
    """Distinct objects are counted over this long."""
    at_least: Times = 20
    """Never raised at or below this many objects."""

    def signals(self, row: Request, state: State) -> Iterator[Signal]:
        """Raised at each successful read past what is usual."""
        seen = state.distinct(row.object_id, by=(row.principal, row.endpoint), where=row.succeeded, within=self.window)
        usual = state.quantile(seen, 0.999, by=row.endpoint, taught_by=row.principal)
        yield Signal(
            when=seen > maximum(self.at_least, 3 * usual),
            p=state.tail(seen, by=row.endpoint, taught_by=row.principal),
            entity=row.principal,
            evidence={"objects": (seen, usual)},
            because="{objects.observed:.0f} objects of {endpoint} in {window}; "
            "what 999 of 1,000 others stay at or under: {objects.expected:.0f}",
        )
