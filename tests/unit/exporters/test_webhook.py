"""A webhook hears of every incident, at least once, signed, and only where it may be spoken to."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr
from tests.unit.exporters.conftest import START, Receiver, told

from apisec_otel.clock import ManualClock
from apisec_otel.component import Host
from apisec_otel.exporters.webhook import Webhook, WebhookSettings


def webhook(url: str, host: Host, **settings: Any) -> Webhook:
    return WebhookSettings(url=SecretStr(url), **{"allow_private": True, **settings}).build(host)


def test_a_cloud_event_says_what_happened(receiver: Receiver, host: Host) -> None:
    hook = webhook(f"{receiver.url}/in?x=1", host, trace_url="https://t.example.org/{trace_id}")
    assert hook.export("logs", [told(event="apisec.finding"), told()]).accepted
    hook.turn()
    (event,) = map(json.loads, receiver.bodies)
    assert receiver.paths == ["/in?x=1"]
    assert event["specversion"] == "1.0" and event["type"] == "apisec.incident.open" and event["subject"] == "a1"
    assert event["time"] == "2025-10-09T08:53:20.000Z" and event["data"]["first"] == "2025-10-09T08:53:19.500Z"
    assert event["data"]["findings"] == ["f1", "f2"] and event["data"]["story"].startswith("Somebody read")
    assert event["data"]["link"] == "https://t.example.org/000102030405060708090a0b0c0d0e0f"
    assert receiver.headers[0]["Content-Type"] == "application/cloudevents+json"
    assert receiver.headers[0]["Idempotency-Key"] == event["id"] and event["id"].startswith("a1-open-")


def test_the_signature_is_that_of_timestamp_and_body(receiver: Receiver, host: Host) -> None:
    hook = webhook(receiver.url, host, secret=SecretStr("s3cret"), headers={"X-Team": SecretStr("sre")})
    hook.export("logs", [told()])
    hook.turn()
    headers, body = receiver.headers[0], receiver.bodies[0]
    assert headers["X-Apisec-Timestamp"] == str(START // 10**9) and headers["X-Team"] == "sre"
    made = hmac.new(b"s3cret", headers["X-Apisec-Timestamp"].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["X-Apisec-Signature"] == f"sha256={made}"


def test_what_is_refused_for_now_comes_again_in_order(receiver: Receiver, host: Host, clock: ManualClock) -> None:
    hook = webhook(receiver.url, host)
    receiver.answers += [(503, {}), (429, {"Retry-After": "30"})]
    hook.export("logs", [told(), told(state="closed", at=1)])
    assert hook.turn() == 1.0
    assert hook.turn() == 1.0 and len(receiver.bodies) == 1
    clock.advance(1)
    assert hook.turn() == 30.0 and len(receiver.bodies) == 2
    clock.advance(30)
    hook.turn()
    kinds = [json.loads(body)["type"].rpartition(".")[2] for body in receiver.bodies]
    assert kinds == ["open", "open", "open", "closed"]
    assert len({headers["Idempotency-Key"] for headers in receiver.headers}) == 2


def test_pauses_double_and_end(receiver: Receiver, host: Host, clock: ManualClock) -> None:
    hook = webhook(receiver.url, host)
    receiver.answers += [(500, {})] * 11
    hook.export("logs", [told()])
    pauses = []
    for _ in range(11):
        pauses.append(hook.turn())
        clock.advance(pauses[-1])
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_what_is_refused_for_good_is_dropped_and_counted(receiver: Receiver, host: Host) -> None:
    hook = webhook(receiver.url, host)
    receiver.answers.append((400, {}))
    hook.export("logs", [told(), told("b2")])
    hook.turn()
    assert [json.loads(body)["subject"] for body in receiver.bodies] == ["a1", "b2"]
    assert host.telemetry.value("otelcol_exporter_send_failed_log_records", exporter="webhook/own") == 1
    assert host.telemetry.value("otelcol_exporter_sent_log_records", exporter="webhook/own") == 1


def test_a_redirect_is_not_followed(receivers: Callable[[], Receiver], host: Host) -> None:
    first, second = receivers(), receivers()
    first.answers.append((302, {"Location": second.url}))
    hook = webhook(first.url, host)
    hook.export("logs", [told()])
    hook.turn()
    assert len(first.bodies) == 1 and not second.bodies
    assert host.telemetry.value("otelcol_exporter_send_failed_log_records", exporter="webhook/own") == 1


def test_what_waits_outlives_the_process(receiver: Receiver, kept: Host, clock: ManualClock) -> None:
    receiver.answers.append((503, {}))
    before = webhook(receiver.url, kept, secret=SecretStr("s3cret"))
    before.start()
    before.export("logs", [told(), told("b2")])
    before.stop()
    clock.advance(5)
    receiver.bodies.clear()
    after = webhook(receiver.url, kept)
    after.start()
    after.stop()
    assert [json.loads(body)["subject"] for body in receiver.bodies] == ["a1", "b2"]
    again = webhook(receiver.url, kept)
    again.start()
    again.stop()
    assert len(receiver.bodies) == 2


def test_a_secret_never_lies_in_what_waits(receiver: Receiver, kept: Host) -> None:
    receiver.answers += [(503, {})] * 9
    hook = webhook(
        f"{receiver.url}/s3cret", kept, preset="pagerduty", routing_key=SecretStr("s3cret"), headers={"X-Key": SecretStr("s3cret")}
    )
    hook.start()
    hook.export("logs", [told()])
    hook.stop()
    (file,) = kept.directory.rglob("*.sqlite")  # type: ignore[union-attr]
    assert b"Somebody read" in file.read_bytes() and b"s3cret" not in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0


def test_what_does_not_fit_drops_the_oldest_updates_first(receiver: Receiver, host: Host) -> None:
    hook = webhook(receiver.url, host, queue=3)
    hook.export("logs", [told(), told(state="updated", at=1), told("b2"), told("c3"), told("d4")])
    assert host.telemetry.value("apisec_pager_dropped", exporter="webhook/own", reason="full") == 2
    hook.turn()
    assert [json.loads(body)["subject"] for body in receiver.bodies] == ["b2", "c3", "d4"]


def test_what_is_old_is_dropped_and_counted(receiver: Receiver, host: Host, clock: ManualClock) -> None:
    hook = webhook(receiver.url, host)
    hook.export("logs", [told(), told("b2")])
    assert host.telemetry.value("apisec_pager_waiting", exporter="webhook/own") == 2
    clock.advance(25 * 3600)
    hook.turn()
    assert not receiver.bodies
    assert host.telemetry.value("apisec_pager_dropped", exporter="webhook/own", reason="old") == 2


def test_less_severe_ones_are_left_out(receiver: Receiver, host: Host) -> None:
    hook = webhook(receiver.url, host, min_severity="critical")
    hook.export("logs", [told(), told("b2", **{"apisec.severity": "critical"})])
    hook.turn()
    assert [json.loads(body)["subject"] for body in receiver.bodies] == ["b2"]


def test_slack_gets_messages_in_which_callers_words_are_words(receiver: Receiver, host: Host, clock: ManualClock) -> None:
    hook = webhook(receiver.url, host, preset="slack", trace_url="https://t.example.org/{trace_id}")
    hook.export("logs", [told(), told(state="updated", at=1), told(state="closed", at=2)])
    assert hook.turn() == 1.0
    clock.advance(1)
    hook.turn()
    opened, closed = map(json.loads, receiver.bodies)
    assert "&lt;b&gt; of others &amp; more" in opened["blocks"][1]["text"]["text"] and opened["blocks"][1]["text"]["verbatim"]
    assert opened["blocks"][0]["text"]["text"] == "[high] shop GET /orders/{id}"
    assert closed["blocks"][0]["text"]["text"].startswith("[closed]")
    assert opened["blocks"][2]["elements"][-1]["text"] == "<https://t.example.org/000102030405060708090a0b0c0d0e0f|trace>"


def test_slack_hears_of_an_incident_that_becomes_worse(receiver: Receiver, kept: Host, clock: ManualClock) -> None:
    hook = webhook(receiver.url, kept, preset="slack", min_severity="high")
    hook.export("logs", [told(**{"apisec.severity": "medium"}), told(state="updated", at=1)])
    hook.start()
    hook.stop()
    clock.advance(5)
    after = webhook(receiver.url, kept, preset="slack")
    after.start()
    after.export("logs", [told(state="updated", at=2), told(state="updated", at=3, **{"apisec.severity": "critical"})])
    after.stop()
    assert [json.loads(body)["text"].partition("]")[0] for body in receiver.bodies] == ["[high", "[critical"]


def test_pagerduty_gets_one_alert_an_incident(receiver: Receiver, host: Host) -> None:
    hook = webhook(receiver.url, host, preset="pagerduty", routing_key=SecretStr("k" * 32))
    hook.export("logs", [told(), told(state="updated", at=1), told(state="closed", at=2)])
    hook.turn()
    events = [json.loads(body) for body in receiver.bodies]
    assert [event["event_action"] for event in events] == ["trigger", "trigger", "resolve"]
    assert {event["dedup_key"] for event in events} == {"a1"} and {event["routing_key"] for event in events} == {"k" * 32}
    assert events[0]["payload"]["severity"] == "error" and events[0]["payload"]["source"] == "shop"


def test_a_thread_of_its_own_sends(receiver: Receiver, host: Host) -> None:
    came = threading.Event()
    bodies = receiver.bodies

    class Noting(list):  # type: ignore[type-arg]
        def append(self, body: bytes) -> None:
            bodies.append(body)
            came.set()

    receiver.bodies = Noting()
    hook = webhook(receiver.url, host)
    hook.start()
    hook.export("logs", [told()])
    assert came.wait(20)
    hook.stop()
    assert len(bodies) == 1


def test_garbage_is_refused_and_a_stranger_s_record_is_taken_as_it_is(receiver: Receiver, host: Host) -> None:
    hook = webhook(receiver.url, host)
    assert not hook.export("logs", [b"\xff\xff"]).accepted
    odd = {
        "apisec.severity": "terrible",
        "apisec.incident.first_time": "0001-01-01",
        "apisec.findings": "one",
        "apisec.risk.score": math.nan,
        "apisec.endpoint": "GET /\x1b[2J",
    }
    assert hook.export("logs", [told("", **odd), told("ïd", "gone", **odd)]).accepted
    hook.turn()
    (event,) = map(json.loads, receiver.bodies)
    assert event["type"] == "apisec.incident.updated" and event["data"]["severity"] == "medium"
    assert event["data"]["detectors"] == ["one"] and event["data"]["endpoint"] == "GET /\\x1b[2J" and "risk" not in event["data"]
    assert host.telemetry.value("apisec_pager_dropped", exporter="webhook/own", reason="no id") == 1


def test_a_record_without_a_time_is_of_now(receiver: Receiver, host: Host) -> None:
    hook = webhook(receiver.url, host)
    hook.export("logs", [told(at=-START / 1e9)])
    hook.turn()
    assert json.loads(receiver.bodies[0])["time"] == "2025-10-09T08:53:20.000Z"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "url is missing"),
        ({"url": SecretStr("hooks.example.org")}, "a URL is wanted"),
        ({"url": SecretStr("ftp://x")}, "a URL is wanted"),
        ({"url": SecretStr("https://u:p@x.example.org")}, "must not hold user and password"),
        ({"preset": "pagerduty"}, "routing_key and preset pagerduty go together"),
        ({"url": SecretStr("https://x.example.org"), "queue": 0}, "greater than 0"),
        ({"url": SecretStr("https://x.example.org/u:p\n")}, "a URL is wanted"),
        ({"url": SecretStr("http://169.254.169.254/u:p")}, "set allow_private"),
        ({"url": SecretStr("http://localhost/u:p")}, "set allow_private"),
        ({"url": SecretStr("https://x.example.org"), "headers": {"X-Key": SecretStr("u:p\n")}}, "the value of X-Key has a line break"),
        ({"url": SecretStr("https://x.example.org"), "headers": {"X Key": SecretStr("u:p")}}, "no name of a header"),
    ],
)
def test_settings_say_what_is_wrong(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as raised:
        WebhookSettings(**settings)
    assert "u:p" not in str(raised.value)
