"""An open incident is an alert until it closes, whatever happens to the process or to an Alertmanager."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.exporters.conftest import Receiver, told

from apisec_otel.clock import ManualClock
from apisec_otel.component import Host
from apisec_otel.exporters.alertmanager import Alertmanager, AlertmanagerSettings


def pager(host: Host, *urls: str, **settings: Any) -> Alertmanager:
    return AlertmanagerSettings(endpoints=urls, **settings).build(host)


def alerts(receiver: Receiver) -> list[list[dict[str, Any]]]:
    return [json.loads(body) for body in receiver.bodies]


def test_an_alert_says_what_happened(receiver: Receiver, host: Host) -> None:
    page = pager(host, f"{receiver.url}/", labels={"team": "payments"}, trace_url="https://t.example.org/{trace_id}")
    assert page.export("logs", [told(event="apisec.finding"), told()]).accepted
    assert page.turn() == 60
    assert receiver.paths == ["/api/v2/alerts"]
    ((alert,),) = alerts(receiver)
    assert alert["labels"] == {
        "alertname": "ApisecIncident",
        "severity": "high",
        "incident": "a1",
        "detector": "bola_enumeration",
        "owasp": "API1:2023",
        "service": "shop",
        "apisec_entity_type": "principal",
        "team": "payments",
    }
    assert alert["annotations"]["summary"] == "high: shop GET /orders/{id}" and alert["annotations"]["risk"] == "130"
    assert alert["annotations"]["playbook"] == "docs/playbooks/bola_enumeration.md" and alert["annotations"]["findings"] == "f1, f2"
    assert alert["startsAt"] == "2025-10-09T08:53:19.500Z" and alert["endsAt"] == "2025-10-09T08:58:20.000Z"
    assert alert["generatorURL"] == "https://t.example.org/000102030405060708090a0b0c0d0e0f"


def test_it_is_sent_again_until_it_closes(receiver: Receiver, host: Host, clock: ManualClock) -> None:
    page = pager(host, receiver.url)
    page.export("logs", [told()])
    page.turn()
    clock.advance(30)
    assert page.turn() == 30 and len(receiver.bodies) == 1
    clock.advance(30)
    page.turn()
    page.export("logs", [told(state="closed", at=70)])
    clock.advance(10)
    page.turn()
    ends = [alert["endsAt"] for (alert,) in alerts(receiver)]
    assert ends == ["2025-10-09T08:58:20.000Z", "2025-10-09T08:59:20.000Z", "2025-10-09T08:54:30.000Z"]
    clock.advance(600)
    page.turn()
    assert len(receiver.bodies) == 3 and host.telemetry.value("apisec_pager_waiting", exporter="webhook/own") == 0


def test_a_worse_incident_is_another_alert_and_the_old_one_is_over(receiver: Receiver, host: Host) -> None:
    page = pager(host, receiver.url)
    page.export("logs", [told()])
    page.turn()
    page.export("logs", [told(state="updated", at=5, **{"apisec.severity": "critical"})])
    page.turn()
    over, now = alerts(receiver)[1]
    assert over["labels"]["severity"] == "high" and over["endsAt"] == "2025-10-09T08:53:20.000Z"
    assert now["labels"]["severity"] == "critical" and now["endsAt"] > over["endsAt"]


def test_every_alertmanager_of_a_cluster_hears_and_one_that_is_down_hears_later(
    receivers: Callable[[], Receiver], host: Host, clock: ManualClock
) -> None:
    one, two = receivers(), receivers()
    two.answers += [(503, {}), (503, {})]
    page = pager(host, one.url, two.url)
    page.export("logs", [told()])
    assert page.turn() == 1
    page.export("logs", [told(state="closed", at=1)])
    clock.advance(1)
    assert page.turn() == 2
    clock.advance(2)
    page.turn()
    assert len(one.bodies) == 2 and len(two.bodies) == 3
    assert host.telemetry.value("apisec_pager_waiting", exporter="webhook/own") == 0


def test_open_incidents_outlive_the_process(receiver: Receiver, kept: Host, clock: ManualClock) -> None:
    before = pager(kept, receiver.url)
    before.start()
    before.export("logs", [told(), told("b2")])
    before.stop()
    clock.advance(10)
    receiver.bodies.clear()
    after = pager(kept, receiver.url)
    after.start()
    after.export("logs", [told("b2", "closed", at=10, **{"apisec.finding": "scan_probing"})])
    after.stop()
    last = {alert["labels"]["incident"]: alert for sent in alerts(receiver) for alert in sent}
    assert last["a1"]["endsAt"] == "2025-10-09T08:58:30.000Z" and last["b2"]["endsAt"] == "2025-10-09T08:53:30.000Z"
    assert last["b2"]["labels"]["detector"] == "bola_enumeration"


def test_an_alert_is_known_by_what_it_opened_with(receiver: Receiver, host: Host) -> None:
    page = pager(host, receiver.url)
    page.export("logs", [told()])
    page.turn()
    other = {"apisec.finding": "scan_probing", "apisec.owasp": ["API8:2023"], "service.name": "bank", "apisec.entity.type": "client"}
    page.export("logs", [told(state="updated", at=5, **other)])
    page.turn()
    ((first,), (second,)) = alerts(receiver)
    assert first["labels"] == second["labels"] and second["annotations"]["owasp"] == "API8:2023"


def test_a_caller_whose_clock_is_ahead_makes_no_alert_that_ends_before_it_starts(receiver: Receiver, host: Host) -> None:
    page = pager(host, receiver.url)
    page.export("logs", [told(state="closed", at=900, **{"apisec.incident.first_time": "2025-10-09T09:00:00Z"})])
    page.turn()
    ((alert,),) = alerts(receiver)
    assert alert["startsAt"] <= alert["endsAt"] == "2025-10-09T08:53:20.000Z"


def test_a_change_is_counted_once_however_often_it_is_sent(receivers: Callable[[], Receiver], host: Host, clock: ManualClock) -> None:
    page = pager(host, receivers().url, receivers().url)
    page.export("logs", [told()])
    for _ in range(3):
        page.turn()
        clock.advance(60)
    assert host.telemetry.value("otelcol_exporter_sent_log_records", exporter="webhook/own") == 1


def test_it_fails_when_no_alertmanager_listens_and_counts_an_end_that_nobody_heard(
    host: Host, receiver: Receiver, clock: ManualClock
) -> None:
    page = pager(host, receiver.url)
    receiver.answers += [(503, {})] * 20
    page.export("logs", [told(state="closed")])
    page.turn()
    assert page.failure == "it answered 503 Service Unavailable"
    clock.advance(301)
    page.turn()
    assert host.telemetry.value("apisec_pager_dropped", exporter="webhook/own", reason="old") == 1
    assert host.telemetry.value("apisec_pager_waiting", exporter="webhook/own") == 0


def test_an_incident_whose_end_was_lost_is_over_in_a_day(receiver: Receiver, host: Host, clock: ManualClock) -> None:
    page = pager(host, receiver.url)
    page.export("logs", [told()])
    clock.advance(24 * 3600 + 1)
    page.turn()
    sent = len(receiver.bodies)
    clock.advance(3600)
    page.turn()
    assert len(receiver.bodies) == sent


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"endpoints": ()}, "endpoints is empty"),
        ({"endpoints": ("localhost:9093",)}, "a URL is wanted"),
        ({"queue": 0}, "greater than 0"),
        ({"labels": {"incident": "x"}}, "'incident' is no label of yours"),
        ({"labels": {"a-b": "x"}}, "'a-b' is no label of yours"),
        ({"trace_url": "https://t.example.org/"}, "trace_url has no"),
        ({"trace_url": "javascript:{trace_id}"}, "trace_url: a URL is wanted"),
    ],
)
def test_settings_say_what_is_wrong(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        AlertmanagerSettings(**settings)
