"""Exporter `webhook`: incidents as signed POST requests to a URL, at least once each."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

from pydantic import SecretStr

from apisec_otel.component import Host, Signal
from apisec_otel.exporters.client import address
from apisec_otel.exporters.courier import IDLE, Backoff, Courier
from apisec_otel.exporters.notice import Notice, notices
from apisec_otel.exporters.post import Answer, Post, check_url
from apisec_otel.exporters.presets import PAGERDUTY, Preset, cloudevent, pagerduty, slack
from apisec_otel.exporters.spool import Spool, spool_of
from apisec_otel.findings.severity import Severity
from apisec_otel.reply import ACCEPTED, Reply

log = logging.getLogger(__name__)

SECOND = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """Posts incidents to a URL as CloudEvents, or as Slack or PagerDuty take them; for pipelines of logs."""

    signals: ClassVar[frozenset[str]] = frozenset({"logs"})

    url: SecretStr = field(default_factory=lambda: SecretStr(""))
    """Where to; with preset pagerduty it may be left out. Never printed: for many receivers it is the password."""
    preset: Preset = "cloudevents"
    """What is sent: a CloudEvent (JSON), a message for Slack's incoming webhooks, an event for PagerDuty's Events API v2."""
    secret: SecretStr | None = None
    """Signs each request: `X-Apisec-Signature: sha256=HMAC(secret, timestamp.body)`, with `X-Apisec-Timestamp` in seconds."""
    routing_key: SecretStr | None = None
    """Of preset pagerduty: the integration's key."""
    headers: Mapping[str, SecretStr] = field(default_factory=dict)
    """Headers of every request."""
    min_severity: Severity = "info"
    """Incidents less severe are not sent."""
    trace_url: str = ""
    """Link to a trace, as in https://tempo.example.org/trace/{trace_id}; none when empty."""
    allow_private: bool = False
    """Speak to loopback, private and link-local addresses as well; refused otherwise, whatever name stands for them."""
    timeout: timedelta = timedelta(seconds=10)
    """Longest wait for the other side."""
    queue: int = 1000
    """Most changes that wait, on disk where `file_storage` is configured; what comes on top is dropped and counted."""
    max_age: timedelta = timedelta(hours=24)
    """What could not be sent for so long is dropped and counted."""

    def __post_init__(self) -> None:
        """Refuses what cannot be sent."""
        url = self.url.get_secret_value()
        if not url and self.preset != "pagerduty":
            raise ValueError("url is missing: where to post, as in https://hooks.example.org/apisec")
        if url:
            check_url(url)
        if (self.preset == "pagerduty") != (self.routing_key is not None):
            raise ValueError("routing_key and preset pagerduty go together")
        if self.queue < 1 or self.timeout <= timedelta() or self.max_age <= timedelta():
            raise ValueError("queue, timeout and max_age must be greater than 0")

    def target(self) -> str:
        """Where it posts to."""
        return self.url.get_secret_value() or PAGERDUTY

    def sends(self) -> Sequence[str]:
        """Its destination."""
        return [address(self.target())]

    def build(self, host: Host) -> Webhook:
        """The exporter."""
        return Webhook(self, host, spool_of(host, self.queue))


class Webhook:
    """Takes log requests, and sends what they tell of incidents from a thread of its own, in order; `turn` sends what is due.

    An answer of 2xx ends it; 408, 425, 429, 5xx and no answer are tried again, twice as late each time or as late as
    `Retry-After` asks; any other answer drops the change and is counted.
    """

    def __init__(self, settings: WebhookSettings, host: Host, spool: Spool) -> None:
        self._settings, self._host, self._spool = settings, host, spool
        self._post = Post(settings.target(), timeout=settings.timeout.total_seconds(), allow_private=settings.allow_private)
        self._backoff, self._not_before, self._said = Backoff(), 0, False
        self._courier = Courier(host.id or "webhook", self.turn)
        host.telemetry.observe("apisec_pager_waiting", partial(len, spool), exporter=host.id)

    def export(self, signal: Signal, requests: Sequence[bytes]) -> Reply:
        """Takes Export requests of logs; what tells of no incident is passed over. Waits for nobody."""
        try:
            told = notices(requests)
        except ValueError as error:
            return Reply(False, message=f"webhook: {error}")
        for each in told:
            if each.is_at_least(self._settings.min_severity) and not self._spool.put(each.key, each.row()):
                self._host.telemetry.add("apisec_pager_dropped", exporter=self._host.id, reason="full")
        if told:
            self._courier.wake()
        return ACCEPTED

    def start(self) -> None:
        """Sends from now on, what waited before first."""
        self._courier.start()

    def stop(self) -> None:
        """Sends what can be sent at once; the rest waits on disk, where there is one."""
        self._courier.stop()
        self._spool.close()

    def turn(self) -> float:
        """Sends what waits, oldest first; answers the seconds until there may be more to do."""
        while (first := self._spool.first()) is not None:
            now = self._host.clock.now()
            if now < self._not_before:
                return (self._not_before - now) / SECOND
            number, notice = first[0], Notice.of(first[1])
            if now - notice.time > self._settings.max_age / timedelta(seconds=1) * SECOND:
                self._host.telemetry.add("apisec_pager_dropped", exporter=self._host.id, reason="old")
                self._spool.done(number)
            elif (body := self._body(notice)) is None:
                self._spool.done(number)
            else:
                self._send(number, notice, json.dumps(body, ensure_ascii=False).encode(), now)
        return IDLE

    def _send(self, number: int, notice: Notice, body: bytes, now: int) -> None:
        answer = self._post.send(body, self._headers(notice, body, now // SECOND), now / SECOND)
        pause = self._backoff.after(answer)
        if not pause and self._settings.preset == "slack":
            pause = 1.0  # Slack takes a message a second
        self._not_before = now + int(pause * SECOND)
        if answer.later:
            self._complain(answer, "it is tried again")
            return
        self._spool.done(number)
        if answer.taken:
            self._said = False
            self._host.telemetry.add("otelcol_exporter_sent_log_records", exporter=self._host.id)
        else:
            self._complain(answer, "it is dropped")
            self._host.telemetry.add("otelcol_exporter_send_failed_log_records", exporter=self._host.id)

    def _body(self, notice: Notice) -> dict[str, Any] | None:
        link = self._settings.trace_url.replace("{trace_id}", notice.trace_id) if notice.trace_id else ""
        if self._settings.preset == "slack":
            return slack(notice, link)
        if self._settings.routing_key is not None:
            return pagerduty(notice, link, self._settings.routing_key.get_secret_value())
        return cloudevent(notice, link)

    def _headers(self, notice: Notice, body: bytes, second: int) -> dict[str, str]:
        kind = "application/cloudevents+json" if self._settings.preset == "cloudevents" else "application/json"
        headers = {"Content-Type": kind, "Idempotency-Key": notice.key, "X-Apisec-Timestamp": str(second)}
        if self._settings.secret is not None:
            headers["X-Apisec-Signature"] = signature(self._settings.secret.get_secret_value(), second, body)
        return headers | {name: value.get_secret_value() for name, value in self._settings.headers.items()}

    def _complain(self, answer: Answer, then: str) -> None:
        if not self._said:
            log.warning("exporters::%s: an incident could not be sent, %s (said once): %s", self._host.id, then, answer.message)
        self._said = True


def signature(secret: str, second: int, body: bytes) -> str:
    """`sha256=` and the HMAC, in hexadecimal, of the timestamp, a full stop and the body."""
    return "sha256=" + hmac.new(secret.encode(), f"{second}.".encode() + body, hashlib.sha256).hexdigest()
