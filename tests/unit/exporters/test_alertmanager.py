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
        "service": "shop",
        "entity_type": "principal",
        "team": "payments",
    }
    assert alert["annotations"]["summary"] == "high: shop GET /orders/{id}" and alert["annotations"]["risk"] == "130"
    assert alert["annotations"]["runbook_url"] == "docs/playbooks/bola_enumeration.md"
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
    before.export("logs", [told(), told("b2")])
    before.turn()
    before.stop()
    clock.advance(10)
    after = pager(kept, receiver.url)
    after.export("logs", [told("b2", "closed", at=10)])
    after.turn()
    assert [[alert["labels"]["incident"] for alert in sent] for sent in alerts(receiver)] == [["a1", "b2"], ["a1", "b2"]]
    assert alerts(receiver)[1][1]["endsAt"] == "2025-10-09T08:53:30.000Z"


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
    [({"endpoints": ()}, "endpoints is empty"), ({"endpoints": ("localhost:9093",)}, "a URL is wanted"), ({"queue": 0}, "greater than 0")],
)
def test_settings_say_what_is_wrong(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        AlertmanagerSettings(**settings)
