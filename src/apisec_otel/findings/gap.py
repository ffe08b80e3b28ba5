"""The finding that analysis itself was absent."""

from __future__ import annotations

import math

from apisec_otel.findings.finding import Finding, Hash, Rule, finding_id
from apisec_otel.findings.severity import Level
from apisec_otel.findings.text import short

DETECTOR = "analysis_gap"
RULE = Rule(DETECTOR, "Spans went on unanalysed.", reference="docs/playbooks/analysis_gap.md")
"""What the wire says of it."""


def gap_finding(keyed_hash: Hash, component: str, reason: str, at: int) -> Finding:
    """Says that spans went on unanalysed at `at` (nanoseconds), as `component` failed. It belongs to no trace."""
    return Finding(
        id=finding_id(keyed_hash, DETECTOR, 0, at, b"", component.encode()),
        detector=DETECTOR,
        level=Level.MEDIUM,
        owasp="",
        score=0.0,
        risk=0.0,
        p=math.nan,
        reason=short(f"Spans went on unanalysed: {component} failed ({reason})"),
        entity=0,
        entity_kind="",
        session=0,
        principal=0,
        endpoint=0,
        endpoint_name="",
        trace_id=b"",
        span_id=b"",
        start=at,
        end=at,
    )
