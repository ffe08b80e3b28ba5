"""A real Alertmanager shows an incident from when it opens until it closes."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from helpers import until
from tests.unit.exporters.conftest import START, told

from apisec_otel.component import Host
from apisec_otel.exporters.alertmanager import AlertmanagerSettings

pytestmark = pytest.mark.e2e


def shown(url: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{url}/api/v2/alerts") as answer:
        alerts: list[dict[str, Any]] = json.load(answer)
    return alerts


def test_alertmanager_shows_an_incident_until_it_closes(alertmanager: str) -> None:
    host = Host(id="alertmanager")
    since = (host.clock.now() - START) / 1e9
    page = AlertmanagerSettings(endpoints=(alertmanager,)).build(host)
    page.start()
    page.export("logs", [told(at=since), told("b2", at=since)])
    until(lambda: len(shown(alertmanager)) == 2, "both incidents are shown")
    (first,) = (alert for alert in shown(alertmanager) if alert["labels"]["incident"] == "a1")
    assert first["status"]["state"] == "active" and first["labels"]["severity"] == "high"
    assert first["annotations"]["description"].startswith("Somebody read 40 orders")
    assert first["startsAt"].startswith("2025-10-09T08:53:19.5")

    page.export("logs", [told(state="updated", at=since + 1, **{"apisec.severity": "critical"})])
    until(lambda: {alert["labels"]["severity"] for alert in shown(alertmanager)} == {"critical", "high"}, "it is worse")
    until(lambda: len(shown(alertmanager)) == 2, "what it was before is over")

    page.export("logs", [told(state="closed", at=since + 2), told("b2", "closed", at=since + 2)])
    until(lambda: not shown(alertmanager), "nobody is paged any more")
    page.stop()
    assert host.telemetry.value("otelcol_exporter_send_failed_log_records", exporter="alertmanager") == 0
