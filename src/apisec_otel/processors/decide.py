"""From raised signals to findings: writes on the spans, removes repeats, adds up risk."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from apisec_otel import semconv
from apisec_otel.component import EndpointNames, Host, Size
from apisec_otel.findings import feedback as feedback_file
from apisec_otel.findings.background import Background
from apisec_otel.findings.budget import parse_budget
from apisec_otel.findings.finding import Finding, Hash, Raised, RequestFacts, Suppressed, finding_id
from apisec_otel.findings.incident import Incident
from apisec_otel.findings.incidents import Incidents, IncidentSettings
from apisec_otel.findings.links import Links, LinkSettings
from apisec_otel.findings.patterns import client_of
from apisec_otel.findings.policy import Policy, Subject, Verdict
from apisec_otel.findings.repeats import Repeats
from apisec_otel.findings.risk import EntityRisk, weighed
from apisec_otel.findings.rows import Mark, Records, View
from apisec_otel.findings.text import short
from apisec_otel.findings.tuning import Allow, Override, Place, places, surprises
from apisec_otel.findings.weighing import Traits, evidence_of, is_background, proves
from apisec_otel.spans.batch import NativeBatch, Released, SpanBatch, Value
from apisec_otel.telemetry import Telemetry

STEP_WAIT: Final = 7 * 10**9
"""A Step row is judged for sure when stream time is so long (ns) past its own."""
RESTART: Final = 600 * 10**9
"""A row in time that starts further back than this begins another recording."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideSettings:
    """Turns raised signals into findings: removes repeats, adds up risk, writes on the spans."""

    needs: ClassVar[frozenset[str]] = frozenset({"signals"})
    provides: ClassVar[frozenset[str]] = frozenset({"findings"})
    annotates: ClassVar[bool] = True

    dedup: timedelta = timedelta(minutes=30)
    """A detector shows a finding for the same entity and endpoint once in this long (event time), unless it got worse."""
    forget: timedelta = timedelta(hours=24)
    """An entity's risk is forgotten this long after its last signal."""
    entities: int = 262_144
    """Most pairs of entity and (detector, endpoint) whose risk is kept; the entity longest quiet goes first."""
    repeats: int = 65_536
    """Most findings remembered as shown; the oldest goes first."""
    link_half_life: timedelta = timedelta(hours=6)
    """A link between two ids that were seen together is half as strong after this long, and forgotten after four times as long."""
    hub: int = 20
    """An id linked to more than so many others, as an address that many people share, links nobody."""
    links: Size = 8 << 20
    """Most memory for who was seen with whom; past it the least useful are forgotten."""
    budget: str = "20/day"
    """Most incidents that likelihood alone opens in a `day` or an `hour`; proof is told of always. A fifth more where they are worse."""
    quiet: timedelta = timedelta(hours=1)
    """An incident closes so long (stream time) after its last evidence."""
    incidents: int = 1024
    """Most open incidents; the one longest quiet closes first."""
    evidence: int = 16_384
    """Most pieces of evidence (an entity, a detector, five minutes) that may become an incident; the entity longest quiet goes first."""

    overrides: tuple[Override, ...] = ()
    """Other settings for some signals, the last that says a key decides it."""
    allow: tuple[Allow, ...] = ()
    """Callers that may, each with a reason, and a last day where it has one."""
    feedback: str = ""
    """File of what people said of findings, which `apisec-otel feedback` writes; read at the start and at a reload."""
    _marked: tuple[feedback_file.Marked, ...] = field(default=(), init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuses tables that hold nothing and times that go back; reads the file, so that settings differ when it does."""
        if self.feedback:
            object.__setattr__(self, "_marked", feedback_file.read(self.feedback))
        if min(self.entities, self.repeats, self.incidents, self.evidence) < 1:
            raise ValueError("entities, repeats, incidents and evidence must be at least 1")
        if self.quiet < timedelta(seconds=1):
            raise ValueError("quiet must be at least 1s")
        parse_budget(self.budget)
        if min(self.dedup, self.forget) < timedelta():
            raise ValueError("dedup and forget must not be negative")
        if self.hub < 1 or self.link_half_life <= timedelta():
            raise ValueError("hub must be at least 1, and link_half_life greater than 0")

    def table_bytes(self) -> int:
        """Cap of the table of links."""
        return self.links

    def tuned(self) -> Iterator[Place]:
        """Where detectors are named."""
        return places(self.overrides, self.allow)

    def verify(self, custom: Mapping[str, str]) -> list[str]:
        """What should be known of who is allowed."""
        there = not self.feedback or Path(self.feedback).exists()
        return [*surprises(self.allow), *([] if there else [f"feedback: there is no {self.feedback} yet"])]

    def policy(self, keyed_hash: Hash, telemetry: Telemetry | None = None) -> Policy:
        """What becomes of signals."""
        trials = partial(Repeats, self.repeats, _nanoseconds(self.dedup))
        return Policy(self.overrides, self.allow, self._marked, keyed_hash=keyed_hash, trials=trials, telemetry=telemetry)

    def build(self, host: Host) -> Decide:
        """The running step."""
        links = Links(LinkSettings(bytes=self.links, half_life=_nanoseconds(self.link_half_life), hub=self.hub))
        traits = Traits.of(host.rules)
        decide = Decide(self, host.view, host.vocabulary.hash, host.endpoint_names, links, traits, telemetry=host.telemetry)
        host.telemetry.observe("apisec_risk_evicted", lambda: float(decide.evicted), "counter")
        host.telemetry.observe("apisec_incidents_open", lambda: float(len(decide.incidents)))
        host.telemetry.observe("apisec_evidence", lambda: float(len(decide.incidents.ledger)))
        host.telemetry.observe("apisec_evidence_evicted", lambda: float(decide.incidents.lost), "counter")
        for name in ("withheld", "evicted"):
            host.telemetry.observe(f"apisec_incidents_{name}", partial(_counted, decide, name), "counter")
        for name in ("entries", "bytes"):
            host.telemetry.observe(f"apisec_links_{name}", partial(_metric, links, name))
        for name in ("evicted", "expired"):
            host.telemetry.observe(f"apisec_links_{name}", partial(_metric, links, name), "counter")
        return decide


class Decide:
    """Judges the raised signals of one batch after the other, in order.

    In: a batch and what was raised on its rows. Out: a finding for each signal that is told, those held back with their
    cause; every row with one that is neither on trial nor allowed is annotated. Python runs for each signal, never for each
    span. `view` shows a batch's rows, `keyed_hash` makes ids; without `links` nobody is linked.
    """

    def __init__(
        self,
        settings: DecideSettings,
        view: View,
        keyed_hash: Hash,
        names: EndpointNames | None = None,
        links: Links | None = None,
        traits: Traits | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._settings, self._view, self._hash = settings, view, keyed_hash
        self._names, self._links, self._traits = names or EndpointNames(), links, traits or Traits()
        self.policy = settings.policy(keyed_hash, telemetry)
        self._row = 0
        self._changes: list[Incident] = []
        self._summaries: list[Finding] = []
        self.restart()

    def restart(self) -> None:
        """Forgets what was shown, all risk, all links and all incidents."""
        settings = self._settings
        if self._links is not None:
            self._links.restart()
        self.policy.restart()
        self._now = 0
        self._repeats = Repeats(settings.repeats, _nanoseconds(settings.dedup))
        self._risk = EntityRisk(settings.entities, _nanoseconds(settings.forget))
        limits = IncidentSettings(
            quiet=_nanoseconds(settings.quiet), most=settings.incidents, evidence=settings.evidence, budget=settings.budget
        )
        self.incidents = Incidents(limits, self._hash, self._links)
        self._background = Background(self._hash)

    @property
    def meaning(self) -> str:
        """Detectors, entities and endpoints go by their own ids."""
        return ""

    def snapshot(self) -> Iterator[bytes]:
        """Links as native shards; what was shown and all risk as JSON, a piece at a time."""
        if self._links is not None:
            yield from self._links.snapshot()
        for shown in self._repeats.rows():
            yield json.dumps({"shown": shown}).encode()
        for risk in self._risk.rows():
            yield json.dumps({"risk": risk}).encode()
        for row in self.incidents.rows():
            yield json.dumps(row).encode()
        for trials in self.policy.rows():
            yield json.dumps({"trials": trials}).encode()
        yield json.dumps({"now": self._now, "background": self._background.row()}).encode()

    def restore(self, shards: Iterable[bytes]) -> Sequence[str]:
        """Goes on from there."""
        lost = []
        for shard in shards:
            if shard.startswith(b"{"):
                self._take(json.loads(shard))
            elif self._links is not None and not self._links.take(shard):
                lost = ["links kept in another layout"]
        return lost

    def _take(self, said: Mapping[str, Any]) -> None:
        self._repeats.take(said.get("shown", ()))
        self._risk.take(said.get("risk", ()))
        self.policy.take(said.get("trials", ()))
        self._now = said.get("now", self._now)
        self.incidents.take(said)
        if "background" in said:
            self._background.take(said["background"])

    @property
    def evicted(self) -> int:
        """Entities whose risk went for want of room."""
        return self._risk.evicted

    def process(self, batch: SpanBatch) -> None:
        """Leaves the findings of the batch's signals on it, and the incidents that changed, for connectors."""
        batch.findings += self.decide(batch.native, batch.raised, batch.steps)
        if batch.now is not None:
            self._judge(batch.now)
        if batch.over:
            self._changes += self.incidents.finish()
            self._summaries += self._background.take_all()
        batch.findings += self._summaries
        batch.incidents += self._changes
        self._changes, self._summaries = [], []

    def decide(self, batch: NativeBatch, raised: Sequence[Raised], steps: Released | None = None) -> list[Finding]:
        """The findings of the signals raised on the batch's rows, and on the Steps released before each, in that order."""
        follow = self._follow(batch)
        self._row = 0
        if not raised and (steps is None or not steps.raised):
            self._turn(batch, len(batch), follow)
            return []
        turns = [((row, 1, 0), batch, signals) for row, signals in _by_row(raised)]
        if steps is not None:
            turns += [((int(steps.before[row]), 0, row), steps.native, signals) for row, signals in _by_row(steps.raised)]
        views = {id(native): self._view(native) for _, native, _ in turns}
        findings: list[Finding] = []
        for (turn, kind, _), native, signals in sorted(turns, key=lambda turn: turn[0]):
            records, row = views[id(native)], signals[0].row
            self._turn(batch, turn + kind, follow)
            self._advance(records, row)
            said = [self._finding(native, records, signal, step=native is not batch) for signal in signals]
            judged = [finding for finding in said if finding is not None]
            loud = [finding for finding in judged if finding.suppressed not in ("shadow", "allowlist")]
            if loud and native is batch:
                batch.annotate(row, span_attributes(loud))
            findings += judged
        self._turn(batch, len(batch), follow)
        return findings

    def _turn(self, batch: NativeBatch, to: int, follow: Callable[[int], None]) -> None:
        """Goes on to before a row; incidents are judged at the first new request past the time at which they are due."""
        while self._row < to and (due := self._due()) is not None:
            records = self._view(batch)[self._row : to]
            counted = (records["stream"] >= due) & (records["request"] == 1) & (records["repeat"] != 1) & (records["late"] != 1)
            at = int(np.argmax(counted))
            if not counted[at]:
                break
            follow(self._row + at)
            self._judge(int(records["stream"][at]))
        self._row = max(self._row, to)
        follow(to)

    def _due(self) -> int | None:
        return min((due for due in (self.incidents.due, self._background.due) if due is not None), default=None)

    def _judge(self, now: int) -> None:
        self._changes += self.incidents.advance(now)
        self._summaries += self._background.take_due(now)

    def _follow(self, batch: NativeBatch) -> Callable[[int], None]:
        """Notes who is seen with whom in a batch, up to a row."""
        if self._links is None:
            return lambda to: None
        self._links.begin(batch)
        return self._links.follow

    def _advance(self, records: Records, row: int) -> None:
        """Moves to the row's stream time, which no one client moves; rows that came late do not move it."""
        time = int(records["stream"][row])
        if int(records["late"][row]) == 1:
            return
        if time + RESTART < self._now:
            self.restart()
        self._now = max(self._now, time)

    def _finding(self, batch: NativeBatch, records: Records, signal: Raised, *, step: bool) -> Finding | None:
        row, endpoint = signal.row, int(records["endpoint"][signal.row])
        verdict = self.policy.judge(signal, endpoint, lambda: self.subject(batch, records, row), self._now)
        if verdict is None:
            return None
        trace_id, span_id = records["trace_id"][row].tobytes(), records["span_id"][row].tobytes()
        carrier = _carrier(signal, records[row])
        risk, cause = self._weigh(signal, verdict, endpoint, carrier)
        finding = Finding(
            id=finding_id(self._hash, signal.detector, signal.entity, endpoint, trace_id, span_id),
            detector=signal.detector,
            level=verdict.level,
            owasp=signal.owasp,
            score=signal.score,
            risk=100 * risk,
            p=signal.p,
            reason=short(signal.sentence),
            entity=signal.entity,
            entity_kind=signal.entity_kind,
            session=int(records["session"][row]),
            principal=int(records["principal"][row]),
            endpoint=endpoint,
            endpoint_name=short(self._names.name(endpoint)),
            trace_id=trace_id,
            span_id=span_id,
            start=int(records["start"][row]),
            end=int(records["end"][row]),
            evidence=signal.evidence,
            request=_facts(batch, records, row),
            suppressed=cause,
            trial=verdict.trial,
            row=row,
            step=step,
        )
        self._note(finding, carrier, records[row])
        return finding

    def _note(self, finding: Finding, carrier: int, record: np.void) -> None:
        """Evidence for an incident; what is on trial or allowed is none."""
        if finding.suppressed not in (None, "dedup"):
            return
        seen = int(record["time"])
        counts = seen + STEP_WAIT if finding.step else int(record["stream"])
        sure = proves(self._traits, finding)
        noise = not sure and is_background(self._traits, finding, record)
        carrier = carrier or finding.session or finding.principal or (finding.endpoint or int(record["service"]) if sure else 0)
        if noise:
            self._background.count(finding.detector, int(record["client"]) or carrier, counts)
        if carrier:
            self.incidents.add(carrier, evidence_of(finding, seen, sure=sure, counts=not noise), counts)

    def subject(self, batch: NativeBatch, records: Records, row: int) -> Subject:
        """The request, as far as configuration asks about it."""
        client, facts = int(records["client"][row]), _facts(batch, records, row)
        return Subject(
            service=facts.service,
            endpoint=short(self._names.name(int(records["endpoint"][row]))),
            principal=int(records["principal"][row]),
            client=client,
            address=client_of(client, partial(batch.text, row), self._hash) if client else None,
            user_agent=facts.user_agent,
        )

    def _weigh(self, signal: Raised, verdict: Verdict, endpoint: int, carrier: int) -> tuple[float, Suppressed | None]:
        """The entity's risk with this signal, and why it is not shown. What is on trial or allowed adds to nothing."""
        if verdict.held is not None:
            return 0.0, verdict.held
        near = self._links.near(carrier, self._now) if self._links is not None and carrier else ()
        risk = self._risk.add(carrier, (signal.detector, endpoint), weighed(signal.score, signal.rank), self._now, near)
        repeated = self._repeats.seen((signal.detector, signal.entity, endpoint), verdict.level, self._now)
        return risk, "dedup" if repeated else None


def _counted(decide: Decide, name: str) -> float:
    return float(getattr(decide.incidents, name))


def _metric(links: Links, name: str) -> float:
    return float(links.metrics()[name])


def _carrier(signal: Raised, record: np.void) -> int:
    """What carries the risk: the entity, or the network of a client that can take any address of it."""
    roams = signal.entity_kind == "client" and int(record["marks"]) & Mark.WIDE
    return int(record["network"]) if roams else signal.entity


def _by_row(raised: Sequence[Raised]) -> list[tuple[int, list[Raised]]]:
    by_row: dict[int, list[Raised]] = {}
    for signal in sorted(raised, key=lambda signal: signal.row):
        by_row.setdefault(signal.row, []).append(signal)
    return list(by_row.items())


def span_attributes(findings: Sequence[Finding]) -> dict[str, Value]:
    """What is written on a span for the findings raised on it, shown or not; at most 10 keys."""
    ranked = sorted(findings, key=lambda finding: (-finding.level, -finding.score, finding.detector))
    worst = ranked[0]
    written: dict[str, Value] = {
        semconv.SEVERITY: worst.level.word,
        semconv.FINDING: worst.detector,
        semconv.FINDINGS: list(dict.fromkeys(finding.detector for finding in ranked)),
        semconv.RISK_SCORE: round(max(finding.risk for finding in ranked), 1),
        semconv.ENDPOINT: worst.endpoint_name,
        semconv.REASON: worst.reason,
        semconv.SAMPLING_KEEP: True,
    }
    if worst.session:
        written[semconv.SESSION_ID] = f"{worst.session:016x}"
    if worst.principal:
        written[semconv.PRINCIPAL_HASH] = f"{worst.principal:016x}"
    return written


def _facts(batch: NativeBatch, records: Records, row: int) -> RequestFacts:
    def text(column: str) -> str:
        return short(batch.text(row, column) or "")

    status = float(records["status"][row])
    return RequestFacts(
        service=text("service"),
        method=text("method"),
        route=text("route"),
        status=int(status) if 0 < status < 1000 else 0,  # NaN compares false
        client_address=text("client") or text("peer"),
        user_agent=text("agent"),
    )


def _nanoseconds(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1) * 1000
