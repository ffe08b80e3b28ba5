"""An incident as an alert of Alertmanager's API v2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from apisec_otel.exporters.notice import Notice, rfc3339

LABELS: Final = ("alertname", "severity", "incident", "detector", "owasp", "service", "apisec_entity_type")
"""What an alert is known by. Few values each, but for the incident's id: without it, two incidents of one service would be one alert."""


def labels_of(notice: Notice, more: Mapping[str, str]) -> dict[str, str]:
    """Labels of an incident as it is now, and `more`; what is not known is left out."""
    values = (
        "ApisecIncident",
        notice.severity,
        notice.id,
        notice.detector or next(iter(notice.detectors), ""),
        next(iter(notice.owasp), ""),
        notice.service,
        notice.entity_type,
    )
    return {name: value for name, value in (*zip(LABELS, values, strict=True), *more.items()) if value}


def alert(notice: Notice, labels: Mapping[str, str], now: int, end: int, source: str) -> dict[str, Any]:
    """The alert that ends at `end` (ns); `source` is a link, or empty."""
    annotations = {
        "summary": f"{notice.severity}: {notice.endpoint or notice.service or notice.detector}",
        "description": notice.story,
        "detectors": ", ".join(notice.detectors) or notice.detector,
        "findings": ", ".join(notice.findings),
        "owasp": ", ".join(notice.owasp),
        "endpoint": notice.endpoint,
        "entity": notice.entity_id,
        "risk": f"{notice.risk:.0f}" if notice.risk else "",
        "runbook_url": notice.runbook,
        "playbook": "" if notice.runbook else notice.reference,
        "trace_id": notice.trace_id,
    }
    return {
        "labels": dict(labels),
        "annotations": {name: value for name, value in annotations.items() if value},
        # Alertmanager refuses an alert that ends before it starts, as one would by the clock of a host that is ahead.
        "startsAt": rfc3339(min(notice.first, now)),
        "endsAt": rfc3339(end),
        **({"generatorURL": source} if source else {}),
    }
