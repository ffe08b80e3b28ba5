"""A finding: one detector's statement about one request, worth showing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from apisec_otel.findings.severity import Level

Suppressed = Literal["dedup", "budget", "shadow", "allowlist"]
"""Why a finding is not shown: repeated, over the budget, a detector on trial, allowed by config."""

SUPPRESSED: Final[tuple[Suppressed, ...]] = ("dedup", "budget", "shadow", "allowlist")

Hash = Callable[[bytes], int]
"""The keyed 64-bit hash that all ids are made with."""


class Raised(Protocol):
    """A signal that was raised on a row, as the plan answers it."""

    @property
    def row(self) -> int:
        """Row of the batch."""

    @property
    def detector(self) -> str:
        """The detector's id."""

    @property
    def owasp(self) -> str:
        """Such as API1:2023; empty when none."""

    @property
    def severity(self) -> int:
        """0 info to 4 critical."""

    @property
    def p(self) -> float:
        """How likely this is without an attack; NaN when not known."""

    @property
    def stated(self) -> bool:
        """Whether p is the signal's own; the detector's q stands for it where it has none."""

    @property
    def score(self) -> float:
        """0 to 1: min(1, -log10(p) / 12)."""

    @property
    def entity(self) -> int:
        """Keyed hash of what carries the risk; 0 when not known."""

    @property
    def entity_kind(self) -> str:
        """principal, session, client, ..."""

    @property
    def evidence(self) -> Mapping[str, tuple[float, float]]:
        """By name: observed and expected; NaN is not (yet) known."""

    @property
    def sentence(self) -> str:
        """What a person reads."""

    @property
    def rank(self) -> float:
        """How suspicious its session is as of the requests judged in order before it, 0 to 1; 0 when not known."""

    @property
    def shadow(self) -> bool:
        """By a detector on trial: it is told, and neither written on the span nor counted as risk."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What the wire says about a detector beside its findings."""

    name: str
    description: str = ""
    version: str = "1"
    reference: str = ""
    technique: str = ""

    @classmethod
    def of(cls, name: str, detector: type) -> Rule:
        """What a detector's class says of itself: the first line of its docstring, `version`, `reference`, `technique`."""
        description = (detector.__doc__ or "").strip().partition("\n")[0]
        said = {
            key: str(getattr(detector, key))
            for key in ("version", "reference", "technique")
            if isinstance(getattr(detector, key, None), str)
        }
        return cls(name, description, **said)


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """The request's own attributes that go out with a finding; there are no others. Empty: not known."""

    service: str = ""
    method: str = ""
    route: str = ""
    status: int = 0
    client_address: str = ""
    user_agent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """All that is said about one raised signal. Times are in nanoseconds, keys are keyed hashes (0: not known)."""

    id: str
    detector: str
    level: Level
    owasp: str
    score: float
    risk: float
    p: float
    reason: str
    entity: int
    entity_kind: str
    session: int
    principal: int
    endpoint: int
    endpoint_name: str
    trace_id: bytes
    span_id: bytes
    start: int
    end: int
    evidence: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    request: RequestFacts = RequestFacts()
    suppressed: Suppressed | None = None
    trial: bool = False
    """Suppressed as on trial, and no repeat: it would have been shown."""
    row: int = 0
    """Row of the batch that it was judged in."""
    step: bool = False
    """Judged in order, when its span had left: the row is one of the batch's `steps`."""

    @property
    def evidence_span_id(self) -> bytes:
        """The span that holds the proof: so far always the request's own."""
        return self.span_id

    @property
    def confidence(self) -> float | None:
        """1 - p, None when p is not known."""
        return None if math.isnan(self.p) else 1 - self.p


def finding_id(keyed_hash: Hash, detector: str, entity: int, endpoint: int, trace_id: bytes, span_id: bytes) -> str:
    """16 hex digits, the same whenever the same signal is raised on the same span again."""
    words = b"\0".join((b"finding", detector.encode(), b"%x" % entity, b"%x" % endpoint, trace_id.hex().encode(), span_id.hex().encode()))
    return f"{keyed_hash(words):016x}"
