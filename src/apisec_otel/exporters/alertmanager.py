"""Exporter `alertmanager`: each open incident is an alert that is sent again and again until the incident closes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Final, NamedTuple

from pydantic import SecretStr

from apisec_otel.component import Host, Signal
from apisec_otel.exporters.alert import LABELS, alert, labels_of
from apisec_otel.exporters.client import ClientTls, address
from apisec_otel.exporters.courier import Backoff, Courier
from apisec_otel.exporters.notice import Notice, notices
from apisec_otel.exporters.pager import Counts, check_headers, check_trace_url, link
from apisec_otel.exporters.post import Post, parts_of
from apisec_otel.exporters.spool import Row, Spool, path_of
from apisec_otel.findings.severity import Severity
from apisec_otel.reply import ACCEPTED, Reply

SECOND: Final = 10**9
OUTLIVES: Final = 5
"""An alert that is not sent again for so many times `resend` is over: nobody is paged for ever by a process that is gone."""
FORGOTTEN: Final = 24 * 3600 * SECOND
"""An incident that has not changed for so long (ns) is over; it closes long before, so its last change was lost."""
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerSettings:
    """Sends incidents as alerts to Alertmanager (API v2), and resolves them when they close; for pipelines of logs."""

    signals: ClassVar[frozenset[str]] = frozenset({"logs"})

    endpoints: tuple[str, ...] = ("http://localhost:9093",)
    """URLs of all Alertmanagers of a cluster: each is sent every alert, as Prometheus does."""
    headers: Mapping[str, SecretStr] = field(default_factory=dict)
    """Headers of every request."""
    tls: ClientTls = field(default_factory=ClientTls)
    """How `https://` endpoints are trusted."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of every alert, as in {team: payments}; routes and silences go by labels."""
    min_severity: Severity = "info"
    """Incidents less severe are not sent."""
    trace_url: str = ""
    """Link to a trace, as in https://tempo.example.org/trace/{trace_id}: the alert's source."""
    resend: timedelta = timedelta(minutes=1)
    """An open incident is sent again so often; an alert that is not sent again for five times as long is over."""
    timeout: timedelta = timedelta(seconds=10)
    """Longest wait for a connection, and for an answer."""
    queue: int = 1000
    """Most incidents that are kept until they close, on disk where `file_storage` is configured; past it the oldest leave."""

    def __post_init__(self) -> None:
        """Refuses what cannot be sent."""
        if not self.endpoints:
            raise ValueError("endpoints is empty: name at least one, as in http://localhost:9093")
        for each in self.endpoints:
            parts_of(each)
        check_headers(self.headers)
        check_trace_url(self.trace_url)
        for name in self.labels:
            if not _LABEL.fullmatch(name) or name in LABELS:
                raise ValueError(f"labels: {name!r} is no label of yours: letters, digits and _, and none of {', '.join(LABELS)}")
        if self.queue < 1 or self.timeout <= timedelta() or self.resend < timedelta(seconds=1):
            raise ValueError("queue and timeout must be greater than 0, resend at least 1s")

    def sends(self) -> Sequence[str]:
        """Its destinations."""
        return sorted({address(each) for each in self.endpoints})

    def build(self, host: Host) -> Alertmanager:
        """The exporter; nothing is opened yet."""
        return Alertmanager(self, host)


class Told(NamedTuple):
    """What an Alertmanager has taken of an incident."""

    key: str = ""
    """The change."""
    at: int = 0
    """When (ns, monotonic)."""
    labels: Mapping[str, str] | None = None


class _Peer:
    """One Alertmanager: what it has been told, and when it may be asked again."""

    def __init__(self, url: str, settings: AlertmanagerSettings, host: Host) -> None:
        timeout = settings.timeout.total_seconds()
        self.post = Post(f"{url.rstrip('/')}/api/v2/alerts", timeout=timeout, allow_private=True, tls=settings.tls)
        self.backoff = Backoff(host.clock, f"exporters::{host.id}: {address(url)}")
        self.told: dict[str, Told] = {}
        """By incident."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """An incident that is open, or of which not everybody has heard that it closed."""

    row: Row
    notice: Notice

    @property
    def labels(self) -> dict[str, str]:
        """Those with which it opened, but for the severity."""
        return {**self.row["labels"], "severity": self.notice.severity}


class Alertmanager:
    """Keeps the last change of each incident until every Alertmanager has taken that it closed; `turn` sends what is due."""

    queues: ClassVar[bool] = True

    def __init__(self, settings: AlertmanagerSettings, host: Host) -> None:
        self._settings, self._clock = settings, host.clock
        self._resend = settings.resend // timedelta(microseconds=1) * 1000
        self._peers = [_Peer(url, settings, host) for url in settings.endpoints]
        self._spool = Spool(path_of(host), settings.queue)
        self._courier = Courier(host.id or "alertmanager", self.turn, self._spool.close)
        self._counts = Counts(host, self._spool)

    @property
    def failure(self) -> str:
        """Why the last tries failed; empty as long as one Alertmanager takes alerts: it tells the others."""
        failures = [peer.backoff.failure for peer in self._peers]
        return failures[0] if all(failures) else ""

    def export(self, signal: Signal, requests: Sequence[bytes]) -> Reply:
        """Takes Export requests of logs; what tells of no incident is passed over. Waits for nobody."""
        try:
            told = notices(requests, self._clock.now())
        except ValueError as error:
            return Reply(False, message=f"alertmanager: {error}")
        for each in told:
            if not each.id:
                self._counts.dropped("no id")
            elif each.is_at_least(self._settings.min_severity):
                self._counts.dropped("full", self._keep(each))
        if told:
            self._courier.wake()
        return ACCEPTED

    def start(self) -> None:
        """Sends from now on, what was open before as well."""
        self._spool.open(_kept)
        self._courier.start()

    def stop(self) -> None:
        """Sends what is due; what is open is sent again after the next start."""
        self._courier.stop()

    def turn(self) -> float:
        """Sends each Alertmanager what it has not taken or is to hear again; answers the seconds until the next time."""
        for peer in self._peers:
            due = [each for each in self._all() if not self._left(peer, each)]
            if due and not self._courier.abandoned:
                self._tell(peer, due)
        for each in self._all():
            if self._is_over(each):
                self._counts.dropped("old", int(not any(self._has(peer, each) for peer in self._peers)))
                self._spool.done(each.notice.id, each.row)
                for peer in self._peers:
                    peer.told.pop(each.notice.id, None)
        return min((self._left(peer, each) for peer in self._peers for each in self._all()), default=self._resend / SECOND)

    def _keep(self, notice: Notice) -> int:
        """What an alert is known by must not change while it is open, though its worst finding does: each change would page anew."""
        before = self._spool.get(notice.id)
        labels = before["labels"] if before else labels_of(notice, self._settings.labels)
        return self._spool.put(notice.id, {**notice.row(), "labels": labels})

    def _all(self) -> list[_Kept]:
        return [_kept(row) for _, row in self._spool.rows()]

    def _left(self, peer: _Peer, kept: _Kept) -> float:
        """Seconds until it is to be sent."""
        told = peer.told.get(kept.notice.id, Told())
        if told.key != kept.notice.key:
            return peer.backoff.left()
        if kept.notice.state == "closed":
            return self._resend / SECOND
        return max(peer.backoff.left(), (told.at + self._resend - self._clock.monotonic()) / SECOND)

    def _is_over(self, kept: _Kept) -> bool:
        taken = all(self._has(peer, kept) for peer in self._peers)
        lost = max(FORGOTTEN, self._lasts) if kept.notice.state != "closed" else self._lasts
        return (kept.notice.state == "closed" and taken) or self._clock.now() - kept.notice.time > lost

    def _has(self, peer: _Peer, kept: _Kept) -> bool:
        return peer.told.get(kept.notice.id, Told()).key == kept.notice.key

    @property
    def _lasts(self) -> int:
        """Nanoseconds after which an alert is over by itself."""
        return self._resend * OUTLIVES

    def _tell(self, peer: _Peer, due: Sequence[_Kept]) -> None:
        now = self._clock.now()
        body = json.dumps([each for kept in due for each in self._alerts(peer, kept, now)], ensure_ascii=False).encode()
        headers = {name: value.get_secret_value() for name, value in self._settings.headers.items()} | {"Content-Type": "application/json"}
        answer = peer.post.send(body, headers, now / SECOND)
        peer.backoff.note(answer)
        if answer.later:
            return
        news = sum(not any(self._has(each, kept) for each in self._peers) for kept in due)
        (self._counts.sent if answer.taken else self._counts.failed)(news)
        at = self._clock.monotonic()
        peer.told |= {kept.notice.id: Told(kept.notice.key, at, kept.labels) for kept in due}

    def _alerts(self, peer: _Peer, kept: _Kept, now: int) -> list[dict[str, Any]]:
        """The alert, and its end under the labels that it had: another severity is another alert."""
        source = link(self._settings.trace_url, kept.notice.trace_id)
        was = peer.told.get(kept.notice.id, Told()).labels
        end = now if kept.notice.state == "closed" else now + self._lasts
        now_known = alert(kept.notice, kept.labels, now, end, source)
        return [alert(kept.notice, was, now, now, source), now_known] if was and was != kept.labels else [now_known]


def _kept(row: Row) -> _Kept:
    if not isinstance(row["labels"], dict):
        raise ValueError("no labels")
    return _Kept(row, Notice.of(row))
