"""A real Alertmanager shows an incident from when it opens until it closes."""

from __future__ import annotations

import json
import time
import urllib.request
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from helpers import free_port, until
from parts import spans
from parts.raw import GrpcClient
from parts.running import MakeApisec, to_http
from tests.unit.exporters.conftest import START, told

from apisec_otel.component import Host
from apisec_otel.exporters.alertmanager import AlertmanagerSettings

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


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


def test_the_one_on_call_hears_though_the_backend_is_down(alertmanager: str, make_apisec: MakeApisec) -> None:
    """Findings wait for a backend that is not there; the incident that they make does not."""
    pipelines = {"traces": {"exporters": ["findings"]}, "logs/findings": {"exporters": ["otlp_http", "alertmanager"]}}
    merge = {
        "processors": {"decide": {"quiet": "1s"}},
        "exporters": {"alertmanager": {"endpoints": [alertmanager], "resend": "1s"}},
        "service": {"pipelines": pipelines},
    }
    apisec = make_apisec(*to_http(free_port()), merge)
    now, scanner = time.time_ns(), {"user__id": "", "client__address": "203.0.113.66", "http__route": ""}
    refused = [spans.request_span(n, now, url__path=f"/x{n}/.env", http__response__status_code=404, **scanner) for n in range(20)]
    served = spans.request_span(30, now, url__path="/.env", **scanner)
    with GrpcClient(apisec.endpoint("grpc")) as client:
        assert client.export(spans.traces([*refused, served]).SerializeToString()).accepted
    (alert,) = until(lambda: shown(alertmanager), "the incident is shown", 40)
    assert alert["labels"]["detector"] == "scan_honeypath" and alert["labels"]["severity"] == "critical"
    assert alert["annotations"]["description"]
    until(lambda: not shown(alertmanager), "it is over", 40)
