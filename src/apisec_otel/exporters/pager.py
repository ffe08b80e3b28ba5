"""What pagers have in common: settings that are checked before anything is sent, and what they count."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sized
from functools import partial
from typing import Final

from pydantic import SecretStr

from apisec_otel.component import Host
from apisec_otel.exporters.post import is_public, parts_of

TRACE: Final = "{trace_id}"
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")


def check_headers(headers: Mapping[str, SecretStr]) -> None:
    """Raises ValueError where something cannot be a header; the text does not tell its value."""
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"headers: {name!r} is no name of a header")
        if not _VALUE.fullmatch(value.get_secret_value()):
            raise ValueError(f"headers: the value of {name} has a line break, or another character that no header takes")


def check_trace_url(template: str) -> None:
    """Raises ValueError where it is no link with a place for the trace."""
    if not template:
        return
    if TRACE not in template:
        raise ValueError(f"trace_url has no {TRACE}, as in https://tempo.example.org/trace/{TRACE}")
    try:
        parts_of(template)
    except ValueError as error:
        raise ValueError(f"trace_url: {error}") from None


def check_public(url: str) -> None:
    """Raises ValueError where the URL itself says that its target is private; names are looked up when it is spoken to."""
    host = parts_of(url).hostname or ""
    try:
        private = not is_public(host)
    except ValueError:
        private = host == "localhost" or host.endswith(".localhost")
    if private:
        raise ValueError("the target is a private address; set allow_private: true to speak to it")


def link(template: str, trace_id: str) -> str:
    """The link to a trace; empty where there is no template or no trace."""
    return template.replace(TRACE, trace_id) if trace_id else ""


class Counts:
    """Self-metrics of one pager."""

    def __init__(self, host: Host, spool: Sized) -> None:
        self._add, self._exporter = host.telemetry.add, host.id
        host.telemetry.observe("apisec_pager_waiting", partial(len, spool), exporter=host.id)
        self.sent(0)
        self.failed(0)
        for reason in ("full", "old", "no id"):
            self.dropped(reason, 0)

    def sent(self, changes: int = 1) -> None:
        """Changes that the other side has."""
        self._add("otelcol_exporter_sent_log_records", changes, exporter=self._exporter)

    def failed(self, changes: int = 1) -> None:
        """Changes that it refused for good."""
        self._add("otelcol_exporter_send_failed_log_records", changes, exporter=self._exporter)

    def dropped(self, reason: str, changes: int = 1) -> None:
        """Changes that it was never asked to take."""
        self._add("apisec_pager_dropped", changes, exporter=self._exporter, reason=reason)
