"""Open incidents: who belongs to which, when each is told of again, when it closes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from apisec_otel.findings.evidence import Evidence
from apisec_otel.findings.incident import Case, Incident, State
from apisec_otel.findings.severity import Level
from apisec_otel.findings.story import story

COALESCE: Final = 60 * 10**9
"""An incident is told of at most so often (ns), unless it gets worse."""

Near = Sequence[tuple[int, float]]
"""Linked entities with the strength of the link, the strongest first."""


class Cases:
    """Holds open incidents, and what was told of them until it is taken. An incident is quiet after `quiet` ns without evidence."""

    def __init__(self, quiet: int) -> None:
        self._quiet = quiet
        self._open: dict[str, Case] = {}
        self._of: dict[int, str] = {}
        self._told: list[Incident] = []
        self.due: int | None = None
        """When the first of them is to be told of or closed."""

    def __len__(self) -> int:
        return len(self._open)

    def find(self, carrier: int, near: Near, evidence: Iterable[Evidence]) -> Case | None:
        """The incident that evidence belongs to: the entity's own, or of those it is linked with the earliest."""
        if carrier in self._of:
            return self._open[self._of[carrier]]
        if not any(each.points for each in evidence):
            return None
        found = {self._of[other] for other, _ in near if other in self._of}
        return min((self._open[id] for id in found), key=lambda case: (case.opened, case.id), default=None)

    def open(self, case: Case, parts: Iterable[tuple[int, Evidence]]) -> None:
        """Takes in a new incident with its evidence, each with whose it is."""
        self._open[case.id] = case
        for carrier, each in parts:
            case.join(carrier, [each])
        self._of |= dict.fromkeys(case.carriers, case.id)

    def join(self, case: Case, carrier: int, evidence: Sequence[Evidence], tick: int) -> bool:
        """Adds evidence to an incident; whether it got worse."""
        level = case.level
        case.join(carrier, evidence)
        case.active = tick
        if carrier in case.carriers:
            self._of[carrier] = case.id
        return case.level > level

    def quietest(self) -> Case:
        """The one longest without evidence."""
        return min(self._open.values(), key=lambda case: (case.active, case.id))

    def settle(self, tick: int) -> list[Case]:
        """Tells of those whose time it is; answers those that are quiet, which are to be closed."""
        quiet = [case for case in self.ranked() if case.active + self._quiet <= tick]
        for case in self.ranked():
            if case not in quiet and case.fresh and not case.withheld and case.told + COALESCE <= tick:
                self.tell(case, "updated", tick)
        return quiet

    def plan(self) -> None:
        """Sets `due`, after all changes of a tick."""
        self.due = min(map(self._due_of, self._open.values()), default=None)

    def _due_of(self, case: Case) -> int:
        closes = case.active + self._quiet
        return min(closes, case.told + COALESCE) if case.fresh and not case.withheld else closes

    def close(self, case: Case, tick: int) -> None:
        """Takes out an incident."""
        del self._open[case.id]
        for carrier in case.carriers:
            if self._of.get(carrier) == case.id:
                del self._of[carrier]
        if not case.withheld:
            self.tell(case, "closed", tick)

    def tell(self, case: Case, state: State, tick: int) -> None:
        """Notes that an incident changed."""
        case.told, case.fresh = tick, False
        self._told.append(said(case, state, tick))

    def taken(self) -> list[Incident]:
        """What was told since it was last asked."""
        told, self._told = self._told, []
        return told

    def ranked(self) -> list[Case]:
        """The earliest first."""
        return sorted(self._open.values(), key=lambda case: (case.opened, case.id))

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """What is remembered, one by one."""
        for case in list(self._open.values()):
            yield case.row()

    def take(self, row: Mapping[str, Any]) -> None:
        """Remembers one of another one's."""
        case = Case.of(row)
        self._open[case.id] = case
        self._of |= dict.fromkeys(case.carriers, case.id)
        self.plan()


def said(case: Case, state: State, tick: int) -> Incident:
    """What is said of an incident as it stands."""
    ranked = case.ranked()
    worst = ranked[0]
    return Incident(
        id=case.id,
        state=state,
        time=tick,
        level=Level(case.level),
        risk=case.risk,
        findings=case.findings(),
        count=sum(each.shown for each in ranked),
        detectors=tuple(each.detector for each in ranked),
        owasp=tuple(dict.fromkeys(each.owasp for each in ranked if each.owasp)),
        entity=case.entity,
        entity_kind=case.kind,
        endpoint=worst.endpoint,
        service=worst.service,
        trace_id=bytes.fromhex(worst.trace),
        span_id=bytes.fromhex(worst.span),
        first=min(each.first for each in ranked),
        last=max(each.last for each in ranked),
        story=story(case),
        suppressed="budget" if case.withheld else None,
    )
