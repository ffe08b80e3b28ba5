"""Paths that only scanners ask for, found by asking; what one of them was given is proof."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar

from annotated_types import Interval

from apisec_otel.api import Request, Severity, Signal, State, Within, when

_MOST = 8
"""From so many paths given out on, a service is one that answers everything: no count of refusals is enough."""
_Few = Annotated[int, Interval(ge=1, le=64)]


@dataclass(frozen=True, kw_only=True)
class ScanHoneypath:
    """Somebody asks for what only scanners ask for (`/.env`, `/.git/config`: `endpoints::scanner_paths`), and may get it.

    Refused with 4xx it is the Internet's usual noise. Answered with 2xx, by a service that refuses other such paths, it is
    proof that something lies open. A service that answers every path with one page refuses none, and what many clients are
    given in a day is a page that the service means to have: neither is raised.
    """

    owasp: ClassVar[str] = "API8:2023"
    reference: ClassVar[str] = "docs/playbooks/scan_honeypath.md"
    technique: ClassVar[str] = "T1595.003"
    severity: ClassVar[Severity] = "critical"
    deterministic: ClassVar[bool] = True
    background: ClassVar[bool] = True

    window: Within = timedelta(hours=24)
    """What a service refused and gave out is looked at over this long."""
    refusals: _Few = 4
    """So many such paths a service must have refused for each that it gave out; one that answers all has a page for everything."""
    usual: _Few = 3
    """Given to more clients than this, it is a page that the service means to have."""

    def signals(self, row: Request, state: State) -> Iterator[Signal]:
        """Low at each such path that is refused; critical at each such path that a client asks for, once it was given one."""
        refusal = row.listed & row.failed & (row.status < 500)
        given = row.listed & row.succeeded & (row.status < 300)
        who, kept = (row.client, row.service), _MOST * self.refusals - 1
        refused = state.distinct(row.path, by=row.service, where=refusal, within=self.window, limit=kept)
        answered = state.distinct(row.path, by=row.service, where=given, within=self.window, limit=_MOST)
        clients = state.distinct(row.client, by=row.service, where=given, within=self.window, limit=self.usual + 1)
        got = state.distinct(row.path, by=who, where=given, within=self.window, limit=_MOST)
        asked = state.distinct(row.path, by=who, where=row.listed, within=self.window, limit=kept)
        yield Signal(
            when=row.listed & row.failed & (row.status < 500) & (asked >= 1),
            entity=row.client,
            severity="low",
            evidence={"asked": asked},
            because="a path that only scanners ask for, refused; one client tried {asked.observed:.0f} in {window}, people try none",
        )
        yield Signal(
            when=row.listed & (got >= 1) & (refused >= self.refusals * answered) & (clients <= self.usual),
            p=when(row.listed, 1e-12, 1),
            entity=row.client,
            evidence={"answered": got, "refused": refused},
            because="of the paths that only scanners ask for, {answered.observed:.0f} answered with success, where the service "
            "refused {refused.observed:.0f} in {window}",
        )
