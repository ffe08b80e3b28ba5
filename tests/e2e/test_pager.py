"""A real Alertmanager shows an incident from when it opens until it closes."""

from __future__ import annotations

import json
import urllib.request
from datetime import timedelta
from pathlib import Path
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


def updated(url: str, incident: str) -> str:
    return next(alert["updatedAt"] for alert in shown(url) if alert["labels"]["incident"] == incident)


def test_alertmanager_shows_an_incident_until_it_closes(alertmanager: str, tmp_path: Path) -> None:
    host = Host(id="alertmanager", directory=tmp_path)
    since = (host.clock.now() - START) / 1e9
    settings = AlertmanagerSettings(endpoints=(alertmanager,), resend=timedelta(seconds=1), trace_url="https://t.example.org/{trace_id}")
    page = settings.build(host)
    page.start()
    page.export("logs", [told(at=since), told("b2", at=since)])
    until(lambda: len(shown(alertmanager)) == 2, "both incidents are shown")
    (first,) = (alert for alert in shown(alertmanager) if alert["labels"]["incident"] == "a1")
    assert first["status"]["state"] == "active" and first["labels"]["severity"] == "high"
    assert first["annotations"]["description"].startswith("Somebody read 40 orders")
    assert first["startsAt"].startswith("2025-10-09T08:53:19.5")
    assert first["generatorURL"] == "https://t.example.org/000102030405060708090a0b0c0d0e0f"
    until(lambda: updated(alertmanager, "a1") > first["updatedAt"], "it is sent again")

    page.export("logs", [told(state="updated", at=since + 1, **{"apisec.severity": "critical"})])
    until(lambda: {alert["labels"]["severity"] for alert in shown(alertmanager)} == {"critical", "high"}, "it is worse")
    until(lambda: len(shown(alertmanager)) == 2, "what it was before is over")

    page.stop()
    last = updated(alertmanager, "b2")
    page = settings.build(host)
    page.start()
    until(lambda: updated(alertmanager, "b2") > last, "it is sent again after a restart")
    page.export("logs", [told(state="closed", at=since + 2), told("b2", "closed", at=since + 2)])
    until(lambda: not shown(alertmanager), "nobody is paged any more")
    page.stop()
    assert host.telemetry.value("otelcol_exporter_send_failed_log_records", exporter="alertmanager") == 0


def test_an_alert_is_over_when_its_sender_is_gone(alertmanager: str) -> None:
    page = AlertmanagerSettings(endpoints=(alertmanager,), resend=timedelta(seconds=1)).build(Host(id="alertmanager"))
    page.export("logs", [told(at=(Host().clock.now() - START) / 1e9)])
    page.turn()
    until(lambda: len(shown(alertmanager)) == 1, "it is shown")
    until(lambda: not shown(alertmanager), "it is over, five times `resend` later")
