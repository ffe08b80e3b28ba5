"""A webhook hears of every incident, at least once, signed, and only where it may be spoken to."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr
from tests.unit.exporters.conftest import START, Receiver, told

from apisec_otel.clock import ManualClock
from apisec_otel.component import Host
from apisec_otel.exporters import post
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


def test_a_private_target_is_never_spoken_to(receiver: Receiver, host: Host, caplog: pytest.LogCaptureFixture) -> None:
    port = receiver.url.rpartition(":")[2]
    for name in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
        hook = webhook(f"http://{name}:{port}/secret-path", host, allow_private=False)
        hook.export("logs", [told()])
        hook.turn()
    assert not receiver.bodies
    assert "private; set allow_private" in caplog.text and "secret-path" not in caplog.text


@pytest.mark.parametrize(
    "address", ["10.0.0.8", "169.254.169.254", "::1", "fe80::1%eth0", "::ffff:192.168.1.1", "0.0.0.0", "224.0.0.1", "100.64.0.1"]
)
def test_which_addresses_are_private(address: str) -> None:
    with pytest.raises(post.PrivateTargetError):
        post.Post("http://x.example.org", timeout=1, allow_private=False)._check(address)


def test_public_addresses_may_be_spoken_to() -> None:
    for address in ("93.184.216.34", "2606:2800:220:1::1"):
        post.Post("http://x.example.org", timeout=1, allow_private=False)._check(address)


def test_what_waits_outlives_the_process(receiver: Receiver, kept: Host, clock: ManualClock) -> None:
    receiver.answers.append((503, {}))
    before = webhook(receiver.url, kept)
    before.export("logs", [told(), told("b2")])
    before.turn()
    before.stop()
    clock.advance(5)
    after = webhook(receiver.url, kept)
    after.turn()
    assert [json.loads(body)["subject"] for body in receiver.bodies] == ["a1", "a1", "b2"]
    assert len(list(kept.directory.rglob("*.sqlite"))) == 1  # type: ignore[union-attr]
    after.stop()
    again = webhook(receiver.url, kept)
    again.turn()
    assert len(receiver.bodies) == 3


def test_what_does_not_fit_and_what_is_old_is_counted(receiver: Receiver, host: Host, clock: ManualClock) -> None:
    hook = webhook(receiver.url, host, queue=2)
    hook.export("logs", [told("a1"), told("b2"), told("c3")])
    assert host.telemetry.value("apisec_pager_dropped", exporter="webhook/own", reason="full") == 1
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
    assert "&lt;b&gt; of others &amp; more" in opened["blocks"][1]["text"]["text"]
    assert opened["blocks"][0]["text"]["text"] == "[high] shop GET /orders/{id}"
    assert closed["blocks"][0]["text"]["text"].startswith("[closed]")
    assert opened["blocks"][2]["elements"][-1]["text"] == "<https://t.example.org/000102030405060708090a0b0c0d0e0f|trace>"


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
    odd = {"apisec.severity": "terrible", "apisec.incident.first_time": "yesterday", "apisec.findings": "one"}
    assert hook.export("logs", [told("", "gone", **odd)]).accepted
    hook.turn()
    (event,) = map(json.loads, receiver.bodies)
    assert event["type"] == "apisec.incident.updated" and event["data"]["severity"] == "medium"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "url is missing"),
        ({"url": SecretStr("hooks.example.org")}, "a URL is wanted"),
        ({"url": SecretStr("ftp://x")}, "a URL is wanted"),
        ({"url": SecretStr("https://u:p@x.example.org")}, "must not hold user and password"),
        ({"preset": "pagerduty"}, "routing_key and preset pagerduty go together"),
        ({"url": SecretStr("https://x.example.org"), "queue": 0}, "greater than 0"),
    ],
)
def test_settings_say_what_is_wrong(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as raised:
        WebhookSettings(**settings)
    assert "u:p" not in str(raised.value)
