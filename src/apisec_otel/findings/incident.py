"""An incident: findings of linked entities that together are worth calling somebody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from apisec_otel.findings.evidence import IDS, Evidence
from apisec_otel.findings.finding import Hash
from apisec_otel.findings.severity import Level

State = Literal["open", "updated", "closed"]

ENTITIES: Final = 64
"""Entities that are named as part of an incident; more join it and are not."""
CARRIERS: Final = 256
"""Entities whose evidence goes to an incident without being linked anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What is told of an incident when it changes. Times in ns."""

    id: str
    state: State
    time: int
    """When it changed: a whole second of stream time."""
    level: Level
    risk: float
    """0 to 300, as of the last evidence."""
    findings: tuple[str, ...]
    """Ids of the findings shown, the earliest first; at most 64."""
    count: int
    """Of all of them."""
    detectors: tuple[str, ...]
    """The worst first."""
    owasp: tuple[str, ...]
    """Of the same detectors, each once."""
    entity: int
    entity_kind: str
    endpoint: str
    service: str
    trace_id: bytes
    span_id: bytes
    """Of the worst finding, as the two before."""
    first: int
    last: int
    story: tuple[str, ...]
    """Sentences, in order of what happened."""
    suppressed: Literal["budget"] | None = None
    """Not told, for the budget is spent."""


@dataclass(slots=True, kw_only=True)
class Case:
    """An open incident as it grows; what JSON takes, for snapshots."""

    id: str
    root: int
    entity: int
    kind: str
    opened: int
    told: int
    """When it was last told of (ns), a whole second."""
    active: int
    """When evidence last came."""
    level: int = Level.MEDIUM
    risk: float = 0.0
    sure: bool = False
    withheld: bool = False
    fresh: bool = False
    """Something is new that was not told."""
    carriers: list[int] = field(default_factory=list)
    """Whose evidence it is, as keys of the ledger."""
    evidence: dict[str, Evidence] = field(default_factory=dict)
    """By detector."""
    others: dict[str, int] = field(default_factory=dict)
    """By kind and id, who else is in it: when first seen."""

    def join(self, carrier: int, evidence: Iterable[Evidence]) -> None:
        """Adds evidence against one of the linked entities."""
        if carrier not in self.carriers and len(self.carriers) < CARRIERS:
            self.carriers.append(carrier)
        for each in evidence:
            self.fresh |= each.shown > 0 or each.detector not in self.evidence
            if each.detector in self.evidence:
                self.evidence[each.detector].add(each)
            else:
                self.evidence[each.detector] = each.copy()
            self.level, self.sure = max(self.level, each.level), self.sure or each.sure
            for kind, key in ((each.kind, each.entity), ("principal", each.principal)):
                self._meet(kind, key, each.first)

    def _meet(self, kind: str, key: int, at: int) -> None:
        who = f"{kind} {key:016x}"
        if key and key != self.entity and (who in self.others or len(self.others) < ENTITIES):
            self.others[who] = min(at, self.others.get(who, at))

    def ranked(self) -> list[Evidence]:
        """Its evidence, the worst first."""
        return sorted(self.evidence.values(), key=lambda each: each.rank, reverse=True)

    def findings(self) -> tuple[str, ...]:
        """Ids of its findings, the earliest first."""
        return tuple(id for _, id in sorted(one for each in self.evidence.values() for one in each.findings)[:IDS])

    def row(self) -> dict[str, Any]:
        """As JSON takes it."""
        own = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**own, "evidence": {name: each.row() for name, each in self.evidence.items()}}

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Case:
        """From what JSON gives back."""
        return cls(**{**row, "evidence": {name: Evidence.of(each) for name, each in row["evidence"].items()}})


def incident_id(keyed_hash: Hash, root: int, opened: int) -> str:
    """16 hex digits, the same whenever the same stream is judged again."""
    words = b"\0".join((b"incident", b"%x" % root, b"%x" % opened))
    return f"{keyed_hash(words):016x}"
