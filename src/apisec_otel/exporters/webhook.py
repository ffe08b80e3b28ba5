"""Exporter `webhook`: incidents as signed POST requests to a URL, at least once each."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

from pydantic import SecretStr

from apisec_otel.component import Host, Signal
from apisec_otel.exporters.client import ClientTls, address
from apisec_otel.exporters.courier import IDLE, Backoff, Courier
from apisec_otel.exporters.notice import Notice, notices
from apisec_otel.exporters.pager import Counts, check_headers, check_public, check_trace_url, link
from apisec_otel.exporters.post import Post, parts_of
from apisec_otel.exporters.presets import PAGERDUTY, Preset, cloudevent, pagerduty, slack
from apisec_otel.exporters.spool import Spool, path_of
from apisec_otel.findings.severity import SEVERITIES, Severity
from apisec_otel.reply import ACCEPTED, Reply

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
    tls: ClientTls = field(default_factory=ClientTls)
    """How an `https://` target is trusted."""
    min_severity: Severity = "info"
    """Incidents less severe are not sent."""
    trace_url: str = ""
    """Link to a trace, as in https://tempo.example.org/trace/{trace_id}; none when empty."""
    allow_private: bool = False
    """Speak to loopback, private and link-local addresses as well; refused otherwise, whatever name stands for them."""
    timeout: timedelta = timedelta(seconds=10)
    """Longest wait for a connection, and for an answer."""
    queue: int = 1000
    """Most changes that wait, on disk where `file_storage` is configured; past it the oldest leave, updates first, and are counted."""
    max_age: timedelta = timedelta(hours=24)
    """What could not be sent for so long is dropped and counted."""

    def __post_init__(self) -> None:
        """Refuses what cannot be sent."""
        if (self.preset == "pagerduty") != (self.routing_key is not None):
            raise ValueError("routing_key and preset pagerduty go together")
        if not self.target():
            raise ValueError("url is missing: where to post, as in https://hooks.example.org/apisec")
        parts_of(self.target())
        if not self.allow_private:
            check_public(self.target())
        check_headers(self.headers)
        check_trace_url(self.trace_url)
        if self.queue < 1 or self.timeout <= timedelta() or self.max_age <= timedelta():
            raise ValueError("queue, timeout and max_age must be greater than 0")

    def target(self) -> str:
        """Where it posts to."""
        return self.url.get_secret_value() or (PAGERDUTY if self.preset == "pagerduty" else "")

    def sends(self) -> Sequence[str]:
        """Its destination."""
        return [address(self.target())]

    def build(self, host: Host) -> Webhook:
        """The exporter; nothing is opened yet."""
        return Webhook(self, host)


class Webhook:
    """Takes log requests, and sends what they tell of incidents from a thread of its own, in order; `turn` sends what is due.

    An answer of 2xx ends it; 408, 425, 429, 5xx and no answer are tried again, twice as late each time or as late as
    `Retry-After` asks; any other answer drops the change and is counted.
    """

    queues: ClassVar[bool] = True

    def __init__(self, settings: WebhookSettings, host: Host) -> None:
        self._settings, self._clock = settings, host.clock
        self._post = Post(
            settings.target(), timeout=settings.timeout.total_seconds(), allow_private=settings.allow_private, tls=settings.tls
        )
        self._backoff = Backoff(host.clock, f"exporters::{host.id}")
        self._spool = Spool(path_of(host), settings.queue, spare=lambda row: bool(row["state"] == "updated"))
        self._said = Spool(path_of(host, "-said"), settings.queue)
        """Of Slack: the severity under which an incident was last told, by its id."""
        self._courier = Courier(host.id or "webhook", self.turn, self._close)
        self._counts = Counts(host, self._spool)

    @property
    def failure(self) -> str:
        """Why the last try failed; empty when it did not."""
        return self._backoff.failure

    def export(self, signal: Signal, requests: Sequence[bytes]) -> Reply:
        """Takes Export requests of logs; what tells of no incident is passed over. Waits for nobody."""
        try:
            told = notices(requests, self._clock.now())
        except ValueError as error:
            return Reply(False, message=f"webhook: {error}")
        for each in told:
            if not each.id:
                self._counts.dropped("no id")
            elif each.is_at_least(self._settings.min_severity):
                self._counts.dropped("full", self._spool.put(each.key, each.row()))
        if told:
            self._courier.wake()
        return ACCEPTED

    def start(self) -> None:
        """Sends from now on, what waited before first."""
        self._spool.open(Notice.of)
        if self._settings.preset == "slack":
            self._said.open(lambda row: SEVERITIES.index(row["severity"]))
        self._courier.start()

    def stop(self) -> None:
        """Sends what can be sent at once; the rest waits on disk, where there is one."""
        self._courier.stop()

    def turn(self) -> float:
        """Sends what waits, oldest first; answers the seconds until there may be more to do."""
        while (first := self._spool.first()) is not None and not self._courier.abandoned:
            key, row = first
            notice, now = Notice.of(row), self._clock.now()
            if now - notice.time > self._settings.max_age / timedelta(seconds=1) * SECOND:
                self._counts.dropped("old")
            elif self._is_said(notice):
                self._counts.sent()
            elif left := self._backoff.left():
                return left
            elif not self._send(notice, now):
                return self._backoff.left()
            self._spool.done(key, row)
        return IDLE

    def _send(self, notice: Notice, now: int) -> bool:
        """Whether it is dealt with."""
        body = json.dumps(self._body(notice), ensure_ascii=False).encode()
        answer = self._post.send(body, self._headers(notice, body, now // SECOND), now / SECOND)
        self._backoff.note(answer)
        if answer.later:
            return False
        if answer.taken:
            self._counts.sent()
            self._say(notice)
        else:
            self._counts.failed()
        return True

    def _is_said(self, notice: Notice) -> bool:
        """Slack's messages cannot be changed, each would be a new one: an update is told when it is worse than what was told last."""
        if self._settings.preset != "slack" or notice.state != "updated":
            return False
        said = self._said.get(notice.id)
        return said is not None and notice.is_at_most(said["severity"])

    def _say(self, notice: Notice) -> None:
        if self._settings.preset != "slack":
            return
        self._backoff.wait(1.0)  # Slack takes a message a second
        if notice.state != "closed":
            self._said.put(notice.id, {"severity": notice.severity})
        elif said := self._said.get(notice.id):
            self._said.done(notice.id, said)

    def _body(self, notice: Notice) -> dict[str, Any]:
        trace = link(self._settings.trace_url, notice.trace_id)
        if self._settings.preset == "slack":
            return slack(notice, trace)
        if self._settings.routing_key is not None:
            return pagerduty(notice, trace, self._settings.routing_key.get_secret_value())
        return cloudevent(notice, trace)

    def _headers(self, notice: Notice, body: bytes, second: int) -> dict[str, str]:
        kind = "application/cloudevents+json" if self._settings.preset == "cloudevents" else "application/json"
        own = {"Content-Type": kind, "Idempotency-Key": notice.key, "X-Apisec-Timestamp": str(second)}
        if self._settings.secret is not None:
            own["X-Apisec-Signature"] = signature(self._settings.secret.get_secret_value(), second, body)
        return {name: value.get_secret_value() for name, value in self._settings.headers.items()} | own

    def _close(self) -> None:
        self._spool.close()
        self._said.close()


def signature(secret: str, second: int, body: bytes) -> str:
    """`sha256=` and the HMAC, in hexadecimal, of the timestamp, a full stop and the body."""
    return "sha256=" + hmac.new(secret.encode(), f"{second}.".encode() + body, hashlib.sha256).hexdigest()
