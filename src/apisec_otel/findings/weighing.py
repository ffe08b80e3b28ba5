"""From a finding to evidence: what is proof, what is background, what it weighs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from apisec_otel.findings.evidence import Evidence, points
from apisec_otel.findings.finding import Finding
from apisec_otel.findings.severity import Level


@dataclass(frozen=True, slots=True)
class Traits:
    """What detectors say of their signals, by id."""

    deterministic: frozenset[str] = frozenset()
    """Severe ones are proof, whatever their p."""
    background: frozenset[str] = frozenset()
    """Where nobody known was refused, they are the Internet's usual noise."""

    @classmethod
    def of(cls, rules: Mapping[str, type]) -> Traits:
        """As the detectors' classes declare it: `deterministic = True`, `background = True`."""
        told = {name: frozenset(id for id, rule in rules.items() if getattr(rule, name, False) is True) for name in cls.__slots__}
        return cls(**told)


def proves(traits: Traits, finding: Finding) -> bool:
    """Whether it is proof: at least medium, by a detector that looks at facts."""
    return finding.detector in traits.deterministic and finding.level >= Level.MEDIUM


def is_background(traits: Traits, finding: Finding, record: np.void) -> bool:
    """Whether nobody known asked, without a credential, and was refused with 4xx."""
    if finding.detector not in traits.background or finding.principal or int(record["credential"]):
        return False
    return bool(400 <= record["status"] < 500)


def evidence_of(finding: Finding, seen: int, *, sure: bool, counts: bool) -> Evidence:
    """A finding as evidence, seen at an event time (ns); what does not count is told and weighs nothing."""
    worth = points(finding.level, finding.p, deterministic=sure) if counts else 0.0
    level = int(finding.level) if counts else int(Level.INFO)
    shown = finding.suppressed is None
    return Evidence(
        detector=finding.detector,
        owasp=finding.owasp,
        level=level,
        points=worth,
        sure=sure,
        first=seen,
        last=seen,
        succeeded=int(200 <= finding.request.status < 400),
        shown=int(shown),
        findings=[(seen, finding.id)] if shown else [],
        entity=finding.entity,
        kind=finding.entity_kind,
        principal=finding.principal,
        rank=(level, worth, -seen, finding.id),
        reason=finding.reason,
        endpoint=finding.endpoint_name,
        service=finding.request.service,
        trace=finding.trace_id.hex(),
        span=finding.span_id.hex(),
    )
