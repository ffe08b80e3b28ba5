"""Which evidence becomes an incident: judged at whole seconds of stream time.

Evidence waits until its second is over, so that neither cuts of the stream nor the order within the second matter, and
is then weighed entity by entity. The rules are in docs/decisions/0016-incidents.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Protocol

from apisec_otel.findings.budget import Budget
from apisec_otel.findings.cases import Cases, Near
from apisec_otel.findings.evidence import BUCKET, Evidence, risk
from apisec_otel.findings.finding import Hash
from apisec_otel.findings.incident import Case, Incident, incident_id
from apisec_otel.findings.ledger import Ledger
from apisec_otel.findings.risk import SHARING
from apisec_otel.findings.severity import Level

SECOND: Final = 10**9
OPENS: Final = 100.0
"""Risk that is an incident."""
OPENS_BOTH: Final = 60.0
"""Risk that is one when two detectors of two OWASP classes make it."""

Weighed = Sequence[tuple[int, Evidence, float]]
"""Whose evidence, the evidence, and the strength of the link to whom."""


class Linked(Protocol):
    """Who is linked with whom."""

    def near(self, entity: int, now: int) -> list[tuple[int, float]]:
        """Ids with the strength of the link, the strongest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentSettings:
    """Limits."""

    quiet: int
    """An incident closes so long (ns) after its last evidence."""
    most: int
    """Most open incidents."""
    evidence: int
    """Most pieces of evidence."""
    budget: str


class Incidents:
    """Takes evidence with `add`, answers with `advance` what changed by then. `due` is when it wants to be asked."""

    def __init__(self, settings: IncidentSettings, keyed_hash: Hash, links: Linked | None) -> None:
        self._settings, self._hash, self._links = settings, keyed_hash, links
        self._cases, self._budget = Cases(settings.quiet), Budget(settings.budget)
        self._pending: dict[int, dict[tuple[int, str], Evidence]] = {}
        self._done = -1
        self.ledger = Ledger(settings.evidence)
        """All evidence that still counts."""
        self.withheld = self.evicted = self.dropped = 0
        """Incidents that the budget held back; those closed early, and evidence not looked at, for want of room."""

    def __len__(self) -> int:
        return len(self._cases)

    @property
    def lost(self) -> int:
        """Evidence that went for want of room: entities of the ledger, and what came too much in one second."""
        return self.dropped + self.ledger.evicted

    @property
    def due(self) -> int | None:
        """Stream time (ns) from which something is to be judged."""
        second = [(min(self._pending) + 1) * SECOND] if self._pending else []
        return min([*second, *([] if self._cases.due is None else [self._cases.due])], default=None)

    def add(self, carrier: int, evidence: Evidence, at: int) -> None:
        """Evidence against an entity that counts from `at` (ns) on; of a second that is over it counts in the next."""
        second = self._pending.setdefault(max(at // SECOND, self._done + 1), {})
        key = (carrier, evidence.detector)
        if key in second:
            second[key].add(evidence)
        elif len(second) < self._settings.evidence or evidence.sure:
            second[key] = evidence
        else:
            self.dropped += 1

    def advance(self, now: int) -> list[Incident]:
        """What has changed by stream time `now` (ns)."""
        while (due := self.due) is not None and due <= now:
            self._tick(due)
        return self._cases.taken()

    def finish(self) -> list[Incident]:
        """Judges what waits, as nothing comes any more; what is open stays open."""
        while self._pending:
            self._tick((min(self._pending) + 1) * SECOND)
        for case in self._cases.ranked():
            if case.fresh and not case.withheld:
                self._cases.tell(case, "updated", max(case.told, (self._done + 1) * SECOND))
        return self._cases.taken()

    def _tick(self, tick: int) -> None:
        self._done = max(self._done, tick // SECOND - 1)
        self._judge(self._pending.pop(tick // SECOND - 1, {}), tick)
        for case in self._cases.settle(tick):
            self._close(case, tick)
        self._cases.plan()

    def _judge(self, arrived: Mapping[tuple[int, str], Evidence], tick: int) -> None:
        by_carrier: dict[int, list[Evidence]] = {}
        for (carrier, _), each in sorted(arrived.items(), key=lambda one: (one[1].first, one[0])):
            by_carrier.setdefault(carrier, []).append(each)
            self.ledger.add(carrier, each, tick)
        told: set[int] = set()
        for carrier, evidence in by_carrier.items():
            if carrier in told:
                continue  # part of what opened in this very second
            near = self._links.near(carrier, tick) if self._links is not None else []
            if (case := self._cases.find(carrier, near, evidence)) is not None:
                self._join(case, carrier, near, evidence, tick)
            elif any(each.points for each in evidence):
                told |= self._consider(carrier, near, evidence, tick)

    def _weighed(self, carrier: int, near: Near) -> Weighed:
        """What counts against an entity: its own, and that of at most so many it is linked with."""
        known = ((other, strength, self.ledger.of(other)) for other, strength in near)
        others = islice((each for each in known if each[2]), SHARING)
        return [(who, each, strength) for who, strength, of in [(carrier, 1.0, self.ledger.of(carrier)), *others] for each in of]

    def _consider(self, carrier: int, near: Near, evidence: Sequence[Evidence], tick: int) -> set[int]:
        """Whose evidence is told of now: nobody's, where it is not enough for an incident."""
        weighed = self._weighed(carrier, near)
        total = _risk(weighed, tick)
        proof = any(each.sure and each.level == Level.CRITICAL for each in evidence)
        both = total >= OPENS_BOTH and _differ(each for _, each, _ in weighed if each.points)
        if not (proof or both or total >= OPENS):
            return set()
        self._open(carrier, weighed, total, max(evidence, key=lambda each: each.rank), tick)
        return {who for who, _, _ in weighed}

    def _open(self, carrier: int, weighed: Weighed, total: float, root: Evidence, tick: int) -> None:
        if len(self._cases) >= self._settings.most:
            self._close(self._cases.quietest(), tick)
            self.evicted += 1
        id = incident_id(self._hash, carrier, tick)
        case = Case(id=id, root=carrier, entity=root.entity, kind=root.kind, opened=tick, told=tick, active=tick, risk=total)
        self._cases.open(case, ((who, each) for who, each, _ in weighed))
        case.withheld = not self._admitted(case, tick)
        self.withheld += case.withheld
        self._cases.tell(case, "open", tick)

    def _admitted(self, case: Case, tick: int) -> bool:
        return case.sure or self._budget.admits(case.risk, tick)

    def _join(self, case: Case, carrier: int, near: Near, evidence: Sequence[Evidence], tick: int) -> None:
        worse = self._cases.join(case, carrier, evidence, tick)
        case.risk = _risk(self._weighed(carrier, near), tick)
        if case.withheld:
            if self._admitted(case, tick):
                case.withheld = False
                self._cases.tell(case, "open", tick)
        elif worse:
            self._cases.tell(case, "updated", tick)

    def _close(self, case: Case, tick: int) -> None:
        """What was told is spent: somebody knows of it."""
        self._cases.close(case, tick)
        for carrier in case.carriers:
            self.ledger.spend(carrier)

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """What is remembered, in pieces, each a JSON object."""
        for evidence in self.ledger.rows():
            yield {"evidence": evidence}
        for second, of in list(self._pending.items()):
            for (carrier, _), each in list(of.items()):
                yield {"pending": [second, carrier, each.row()]}
        for row in self._cases.rows():
            yield {"incident": row}
        yield {"budget": self._budget.rows(), "judged": self._done, "withheld": self.withheld}

    def take(self, said: Mapping[str, Any]) -> None:
        """Remembers a piece of what another one did."""
        self.ledger.take(said.get("evidence", ()))
        self._budget.take(said.get("budget", ()))
        self._done, self.withheld = said.get("judged", self._done), said.get("withheld", self.withheld)
        if "pending" in said:
            second, carrier, row = said["pending"]
            evidence = Evidence.of(row)
            self._pending.setdefault(second, {})[carrier, evidence.detector] = evidence
        if "incident" in said:
            self._cases.take(said["incident"])


def _risk(weighed: Weighed, tick: int) -> float:
    """Risk as of the five minutes that a tick closes a second of."""
    return risk(((each, strength) for _, each, strength in weighed), (tick - SECOND) // BUCKET)


def _differ(evidence: Iterable[Evidence]) -> bool:
    """Whether two detectors of two OWASP classes speak."""
    known = {(each.detector, each.owasp) for each in evidence}
    return len({detector for detector, _ in known}) > 1 and len({owasp for _, owasp in known}) > 1
