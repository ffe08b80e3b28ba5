"""Which evidence becomes an incident, and what becomes of it: judged at whole seconds of stream time.

Evidence waits until its second is over, so that neither cuts of the stream nor the order within the second matter, and
is then weighed entity by entity. The rules are in docs/decisions/0016-incidents.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Protocol

from apisec_otel.findings.budget import Budget
from apisec_otel.findings.evidence import BUCKET, Evidence, risk
from apisec_otel.findings.finding import Hash
from apisec_otel.findings.incident import Case, Incident, State, incident_id
from apisec_otel.findings.ledger import Ledger
from apisec_otel.findings.risk import SHARING
from apisec_otel.findings.severity import Level
from apisec_otel.findings.story import story

SECOND: Final = 10**9
COALESCE: Final = 60 * SECOND
"""An incident is told of at most so often, unless it gets worse."""
OPENS: Final = 100.0
"""Risk that is an incident."""
OPENS_BOTH: Final = 60.0
"""Risk that is one when two detectors of two OWASP classes make it."""

Near = Sequence[tuple[int, float]]


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
        self._ledger, self._budget = Ledger(settings.evidence), Budget(settings.budget)
        self._pending: dict[int, dict[tuple[int, str], Evidence]] = {}
        self._cases: dict[str, Case] = {}
        self._of: dict[int, str] = {}
        self._next: int | None = None
        self._done = -1
        self._told: list[Incident] = []
        self.withheld = self.evicted = self.dropped = 0
        """Incidents that the budget held back; those closed early, and evidence not looked at, for want of room."""

    def __len__(self) -> int:
        return len(self._cases)

    @property
    def ledger(self) -> Ledger:
        """All evidence that still counts."""
        return self._ledger

    @property
    def lost(self) -> int:
        """Evidence that went for want of room: entities of the ledger, and what came too much in one second."""
        return self.dropped + self._ledger.evicted

    @property
    def due(self) -> int | None:
        """Stream time (ns) from which something is to be judged."""
        waiting = [(min(self._pending) + 1) * SECOND] if self._pending else []
        return min([*waiting, *(() if self._next is None else (self._next,))], default=None)

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
        return self._taken()

    def finish(self) -> list[Incident]:
        """Judges what waits, as nothing comes any more; what is open stays open."""
        while self._pending:
            self._tick((min(self._pending) + 1) * SECOND)
        for case in self._ranked():
            if case.fresh and not case.withheld:
                self._tell(case, "updated", max(case.told, (self._done + 1) * SECOND))
        return self._taken()

    def _taken(self) -> list[Incident]:
        told, self._told = self._told, []
        return told

    def _tick(self, tick: int) -> None:
        self._done = max(self._done, tick // SECOND - 1)
        self._judge(self._pending.pop(tick // SECOND - 1, {}), tick)
        for case in self._ranked():
            if case.active + self._settings.quiet <= tick:
                self._close(case, tick)
            elif case.fresh and not case.withheld and case.told + COALESCE <= tick:
                self._tell(case, "updated", tick)
        self._next = min(map(self._due_of, self._cases.values()), default=None)

    def _due_of(self, case: Case) -> int:
        closes = case.active + self._settings.quiet
        return min(closes, case.told + COALESCE) if case.fresh and not case.withheld else closes

    def _judge(self, arrived: Mapping[tuple[int, str], Evidence], tick: int) -> None:
        by_carrier: dict[int, list[Evidence]] = {}
        for (carrier, _), each in sorted(arrived.items(), key=lambda one: (one[1].first, one[0])):
            by_carrier.setdefault(carrier, []).append(each)
            self._ledger.add(carrier, each, tick)
        told: set[int] = set()
        for carrier, evidence in by_carrier.items():
            if carrier in told:
                continue  # part of what opened in this very second
            near = self._links.near(carrier, tick) if self._links is not None else []
            if (case := self._case(carrier, near, evidence)) is not None:
                self._join(case, carrier, near, evidence, tick)
            elif any(each.points for each in evidence):
                told |= self._consider(carrier, near, evidence, tick)

    def _case(self, carrier: int, near: Near, evidence: Sequence[Evidence]) -> Case | None:
        """The open incident that evidence belongs to: the entity's own, or of those it is linked with the earliest."""
        if carrier in self._of:
            return self._cases[self._of[carrier]]
        if not any(each.points for each in evidence):
            return None
        found = {self._of[other] for other, _ in near if other in self._of}
        return min((self._cases[id] for id in found), key=lambda case: (case.opened, case.id), default=None)

    def _weighed(self, carrier: int, near: Near) -> list[tuple[int, Evidence, float]]:
        """What counts against an entity: its own, and that of at most so many it is linked with."""
        known = ((other, strength, self._ledger.of(other)) for other, strength in near)
        others = islice((each for each in known if each[2]), SHARING)
        return [(who, each, strength) for who, strength, of in [(carrier, 1.0, self._ledger.of(carrier)), *others] for each in of]

    def _consider(self, carrier: int, near: Near, evidence: Sequence[Evidence], tick: int) -> set[int]:
        """Whose evidence is told of now: nobody's, where it is not enough for an incident."""
        weighed = self._weighed(carrier, near)
        total = risk(((each, strength) for _, each, strength in weighed), _bucket(tick))
        counted = [each for _, each, _ in weighed if each.points]
        proof = any(each.sure and each.level == Level.CRITICAL for each in evidence)
        if not (proof or total >= OPENS or (total >= OPENS_BOTH and _differ(counted))):
            return set()
        self._open(carrier, weighed, total, evidence, tick)
        return {who for who, _, _ in weighed}

    def _open(
        self, carrier: int, weighed: Sequence[tuple[int, Evidence, float]], total: float, evidence: Sequence[Evidence], tick: int
    ) -> None:
        if len(self._cases) >= self._settings.most:
            self._close(min(self._cases.values(), key=lambda case: (case.active, case.id)), tick)
            self.evicted += 1
        root = max(evidence, key=lambda each: each.rank)
        id = incident_id(self._hash, carrier, tick)
        case = self._cases[id] = Case(
            id=id, root=carrier, entity=root.entity, kind=root.kind, opened=tick, told=tick, active=tick, risk=total
        )
        for who, each, _ in weighed:
            case.join(who, [each])
        self._of |= dict.fromkeys(case.carriers, id)
        case.withheld = not self._admitted(case, tick)
        self.withheld += case.withheld
        self._tell(case, "open", tick)

    def _admitted(self, case: Case, tick: int) -> bool:
        return case.sure or self._budget.admits(case.risk, tick)

    def _join(self, case: Case, carrier: int, near: Near, evidence: Sequence[Evidence], tick: int) -> None:
        level = case.level
        case.join(carrier, evidence)
        case.active = tick
        self._of |= dict.fromkeys(case.carriers[-1:], case.id)
        case.risk = risk(((each, strength) for _, each, strength in self._weighed(carrier, near)), _bucket(tick))
        if case.withheld:
            if self._admitted(case, tick):
                case.withheld = False
                self._tell(case, "open", tick)
        elif case.level > level:
            self._tell(case, "updated", tick)

    def _close(self, case: Case, tick: int) -> None:
        """What was told is spent: somebody knows of it."""
        del self._cases[case.id]
        for carrier in case.carriers:
            if self._of.get(carrier) == case.id:
                del self._of[carrier]
            self._ledger.spend(carrier)
        if not case.withheld:
            self._tell(case, "closed", tick)

    def _tell(self, case: Case, state: State, tick: int) -> None:
        case.told, case.fresh = tick, False
        self._told.append(told(case, state, tick))

    def _ranked(self) -> list[Case]:
        return sorted(self._cases.values(), key=lambda case: (case.opened, case.id))

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """What is remembered, in pieces, each a JSON object."""
        for evidence in self._ledger.rows():
            yield {"evidence": evidence}
        for second, of in list(self._pending.items()):
            for (carrier, _), each in list(of.items()):
                yield {"pending": [second, carrier, each.row()]}
        for case in list(self._cases.values()):
            yield {"incident": case.row()}
        yield {"budget": self._budget.rows(), "judged": self._done, "withheld": self.withheld}

    def take(self, said: Mapping[str, Any]) -> None:
        """Remembers a piece of what another one did."""
        self._ledger.take(said.get("evidence", ()))
        self._budget.take(said.get("budget", ()))
        self._done, self.withheld = said.get("judged", self._done), said.get("withheld", self.withheld)
        if "pending" in said:
            second, carrier, row = said["pending"]
            evidence = Evidence.of(row)
            self._pending.setdefault(second, {})[carrier, evidence.detector] = evidence
        if "incident" in said:
            case = Case.of(said["incident"])
            self._cases[case.id] = case
            self._of |= dict.fromkeys(case.carriers, case.id)
            self._next = min(map(self._due_of, self._cases.values()))


def told(case: Case, state: State, tick: int) -> Incident:
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


def _bucket(tick: int) -> int:
    """The five minutes that a tick closes a second of."""
    return (tick - SECOND) // BUCKET


def _differ(evidence: Iterable[Evidence]) -> bool:
    """Whether two detectors of two OWASP classes speak."""
    known = {(each.detector, each.owasp) for each in evidence}
    return len({detector for detector, _ in known}) > 1 and len({owasp for _, owasp in known}) > 1
