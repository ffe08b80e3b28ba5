"""Exporter `alertmanager`: each open incident is an alert that is sent again and again until the incident closes."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar, Final, NamedTuple

from pydantic import SecretStr

from apisec_otel.component import Host, Signal
from apisec_otel.exporters.client import address
from apisec_otel.exporters.courier import Backoff, Courier
from apisec_otel.exporters.notice import Notice, notices, rfc3339
from apisec_otel.exporters.post import Answer, Post, check_url
from apisec_otel.exporters.spool import Spool, spool_of
from apisec_otel.findings.severity import Severity
from apisec_otel.reply import ACCEPTED, Reply

log = logging.getLogger(__name__)

SECOND: Final = 10**9
OUTLIVES: Final = 5
"""An alert that is not sent again for so many times `resend` is over: nobody is paged for ever by a process that is gone."""
NEVER: Final = 2**63
FORGOTTEN: Final = 24 * 3600 * SECOND
"""An incident that has not changed for so long (ns) is over; it closes long before, so its last change was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerSettings:
    """Sends incidents as alerts to Alertmanager (API v2), and resolves them when they close; for pipelines of logs."""

    signals: ClassVar[frozenset[str]] = frozenset({"logs"})

    endpoints: tuple[str, ...] = ("http://localhost:9093",)
    """URLs of all Alertmanagers of a cluster: each is sent every alert, as Prometheus does."""
    headers: Mapping[str, SecretStr] = field(default_factory=dict)
    """Headers of every request."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of every alert, as in {team: payments}; routes and silences go by labels."""
    min_severity: Severity = "info"
    """Incidents less severe are not sent."""
    trace_url: str = ""
    """Link to a trace, as in https://tempo.example.org/trace/{trace_id}: the alert's source."""
    resend: timedelta = timedelta(minutes=1)
    """An open incident is sent again so often; keep it below Alertmanager's resolve_timeout."""
    timeout: timedelta = timedelta(seconds=10)
    """Longest wait for an Alertmanager."""
    queue: int = 1000
    """Most incidents that are kept until they close, on disk where `file_storage` is configured; what comes on top is dropped."""

    def __post_init__(self) -> None:
        """Refuses what cannot be sent."""
        if not self.endpoints:
            raise ValueError("endpoints is empty: name at least one, as in http://localhost:9093")
        for each in self.endpoints:
            check_url(each)
        if self.queue < 1 or self.timeout <= timedelta() or self.resend < timedelta(seconds=1):
            raise ValueError("queue and timeout must be greater than 0, resend at least 1s")

    def sends(self) -> Sequence[str]:
        """Its destinations."""
        return sorted({address(each) for each in self.endpoints})

    def build(self, host: Host) -> Alertmanager:
        """The exporter."""
        return Alertmanager(self, host, spool_of(host, self.queue))


class Told(NamedTuple):
    """What an Alertmanager has taken of an incident."""

    key: str = ""
    """The change."""
    at: int = 0
    """When (ns)."""
    severity: str = ""


class _Peer:
    """One Alertmanager: what it has been told, and when it may be asked again."""

    def __init__(self, url: str, settings: AlertmanagerSettings) -> None:
        self.url = url
        self.post = Post(f"{url.rstrip('/')}/api/v2/alerts", timeout=settings.timeout.total_seconds(), allow_private=True)
        self.backoff, self.not_before, self.failing = Backoff(), 0, False
        self.told: dict[str, Told] = {}
        """By incident."""

    def severity(self, notice: Notice) -> str:
        """Under which severity the incident is known there: another one is another alert, and the old one is over."""
        return self.told[notice.id].severity if notice.id in self.told else notice.severity


class Alertmanager:
    """Keeps the last change of each incident until every Alertmanager has taken that it closed; `turn` sends what is due."""

    def __init__(self, settings: AlertmanagerSettings, host: Host, spool: Spool) -> None:
        self._settings, self._host, self._spool = settings, host, spool
        self._resend = int(settings.resend.total_seconds() * SECOND)
        self._peers = [_Peer(url, settings) for url in settings.endpoints]
        self._courier = Courier(host.id or "alertmanager", self.turn)
        host.telemetry.observe("apisec_pager_waiting", partial(len, spool), exporter=host.id)

    def export(self, signal: Signal, requests: Sequence[bytes]) -> Reply:
        """Takes Export requests of logs; what tells of no incident is passed over. Waits for nobody."""
        try:
            told = notices(requests)
        except ValueError as error:
            return Reply(False, message=f"alertmanager: {error}")
        for each in told:
            if each.is_at_least(self._settings.min_severity) and not self._spool.put(each.id, each.row()):
                self._host.telemetry.add("apisec_pager_dropped", exporter=self._host.id, reason="full")
        if told:
            self._courier.wake()
        return ACCEPTED

    def start(self) -> None:
        """Sends from now on, what was open before as well."""
        self._courier.start()

    def stop(self) -> None:
        """Sends what is due; what is open is sent again after the next start."""
        self._courier.stop()
        self._spool.close()

    def turn(self) -> float:
        """Sends each Alertmanager what it has not taken or is to hear again; answers the seconds until the next time."""
        now = self._host.clock.now()
        kept = [(number, Notice.of(row)) for number, row in self._spool.rows()]
        for peer in self._peers:
            self._tell(peer, [notice for _, notice in kept if self._due(peer, notice) <= now], now)
        for number, notice in kept:
            taken = all(peer.told.get(notice.id, Told()).key == notice.key for peer in self._peers)
            if (notice.state == "closed" and taken) or now - notice.time > FORGOTTEN:
                self._spool.done(number)
                for peer in self._peers:
                    peer.told.pop(notice.id, None)
        due = [self._due(peer, Notice.of(row)) for peer in self._peers for _, row in self._spool.rows()]
        return max(0.0, (min(due, default=now + self._resend) - now) / SECOND)

    def _due(self, peer: _Peer, notice: Notice) -> int:
        told = peer.told.get(notice.id, Told())
        if told.key == notice.key:
            return max(told.at + self._resend, peer.not_before) if notice.state != "closed" else NEVER
        return peer.not_before

    def _tell(self, peer: _Peer, told: Sequence[Notice], now: int) -> None:
        if not told:
            return
        regraded = [replace(each, state="closed", severity=was) for each in told if (was := peer.severity(each)) != each.severity]
        body = json.dumps([alert(each, self._settings, now) for each in (*regraded, *told)], ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json"} | {name: value.get_secret_value() for name, value in self._settings.headers.items()}
        answer = peer.post.send(body, headers, now / SECOND)
        peer.not_before = now + int(peer.backoff.after(answer) * SECOND)
        if answer.later:
            self._complain(peer, answer)
            return
        peer.told |= {each.id: Told(each.key, now, each.severity) for each in told}
        if answer.taken:
            peer.failing = False
            self._host.telemetry.add("otelcol_exporter_sent_log_records", len(told), exporter=self._host.id)
        else:
            self._complain(peer, answer)
            self._host.telemetry.add("otelcol_exporter_send_failed_log_records", len(told), exporter=self._host.id)

    def _complain(self, peer: _Peer, answer: Answer) -> None:
        if not peer.failing:
            log.warning("exporters::%s: %s does not take alerts (said once): %s", self._host.id, peer.url, answer.message)
        peer.failing = True


def alert(notice: Notice, settings: AlertmanagerSettings, now: int) -> dict[str, Any]:
    """An alert of API v2. Labels are what it is known by: the incident's id keeps two apart, of what may change only severity is one."""
    labels = {
        "alertname": "ApisecIncident",
        "severity": notice.severity,
        "incident": notice.id,
        "service": notice.service,
        "entity_type": notice.entity_type,
        **settings.labels,
    }
    annotations = {
        "summary": f"{notice.severity}: {notice.endpoint or notice.service or notice.detector}",
        "description": notice.story,
        "detectors": ", ".join(notice.detectors) or notice.detector,
        "owasp": notice.owasp,
        "endpoint": notice.endpoint,
        "entity": notice.entity_id,
        "risk": f"{notice.risk:.0f}" if notice.risk else "",
        "runbook_url": notice.reference,
        "trace_id": notice.trace_id,
    }
    lasts = int(settings.resend.total_seconds() * SECOND) * OUTLIVES
    return {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {name: value for name, value in annotations.items() if value},
        "startsAt": rfc3339(notice.first),
        "endsAt": rfc3339(now if notice.state == "closed" else now + lasts),
        **({"generatorURL": settings.trace_url.replace("{trace_id}", notice.trace_id)} if settings.trace_url and notice.trace_id else {}),
    }
