"""What configuration says of signals beside their detectors: overrides for some requests, callers that are allowed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from ipaddress import ip_network
from typing import Literal

from apisec_otel.component import Words
from apisec_otel.findings.severity import Severity

Mode = Literal["alert", "shadow", "off"]
ALL = "*"

_KEY = re.compile(r"[0-9a-f]{16}")
UNMATCHED = "(unmatched)"


@dataclass(frozen=True, kw_only=True)
class Where:
    """Which signals are meant: all conditions that are written must hold, each by one of its texts. `*` in a text is anything."""

    detectors: Words = (ALL,)
    """Ids of detectors; `*` is all."""
    endpoint: Words | None = None
    """As findings name it: `shop GET /orders/{id}`, or `* /admin/*`."""
    service: Words | None = None
    """`service.name`."""
    principal: Words | None = None
    """16 digits, as in `apisec.principal.hash`."""
    client: Words | None = None
    """Addresses or networks (`10.0.0.0/8`) of the caller, after trusted proxies."""
    user_agent: Words | None = None
    """As the caller sends it, which anybody can: `*Detectify*`."""

    def __post_init__(self) -> None:
        """Refuses what could never be met, or is not what it looks like."""
        for text in self.endpoint or ():
            if text != UNMATCHED and ALL not in text and len(text.split()) < 3:
                raise ValueError(f"endpoint: {text!r} is none; write it as findings do, `shop GET /orders/{{id}}`, with * for anything")
        for text in self.principal or ():
            if not _KEY.fullmatch(text):
                raise ValueError(f"principal: {text!r} is none; copy the 16 digits of apisec.principal.hash from a finding")
        for text in self.client or ():
            _network(text)

    @property
    def says_who(self) -> bool:
        """Whether it is for some requests only."""
        return any((self.endpoint, self.service, self.principal, self.client, self.user_agent))


def _network(text: str) -> None:
    try:
        ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"client: {text!r} is no address and no network; write 203.0.113.7 or 10.0.0.0/8") from None


@dataclass(frozen=True, kw_only=True)
class Override(Where):
    """Other settings for some signals. Where several apply, the last that says a key decides it."""

    mode: Mode | None = None
    """alert: findings. shadow: counted only, as of a detector on trial. off: nothing is told of it."""
    severity: Severity | None = None
    """Instead of what the detector says."""
    q: float | None = None
    """Only p-values below this; never above the detector's own q. Signals without a p-value are left alone."""
    reason: str = ""
    """Why: told by `replay` where it never applied."""

    def __post_init__(self) -> None:
        """Refuses one that changes nothing."""
        super().__post_init__()
        if self.mode is None and self.severity is None and self.q is None:
            raise ValueError("changes nothing: set mode, severity or q")
        if self.q is not None and not 0 < self.q < 1:
            raise ValueError("q is a probability, above 0 and below 1")


@dataclass(frozen=True, kw_only=True)
class Allow(Where):
    """Callers that may: what they raise is counted and not told."""

    reason: str
    """Why, and who said so."""
    until: date | None = None
    """The last day (UTC, stream time) on which it holds, as in `2027-01-31`; without it, it holds for ever."""

    def __post_init__(self) -> None:
        """Refuses one that allows everybody, or does not say why."""
        super().__post_init__()
        if not self.says_who:
            raise ValueError("allows everybody: say endpoint, service, principal, client or user_agent, or set the detector's mode")
        if not self.reason.strip():
            raise ValueError("reason: says nothing; write why, and who said so")


Place = tuple[Sequence[str], Sequence[str], float | None]
"""The keys that lead there, the detectors that it names, and the q that it asks of them."""


def places(overrides: Sequence[Override], allow: Sequence[Allow]) -> Iterator[Place]:
    """Where detectors are named."""
    yield from ((("overrides", str(at)), each.detectors, each.q) for at, each in enumerate(overrides))
    yield from ((("allow", str(at)), each.detectors, None) for at, each in enumerate(allow))


def surprises(allow: Iterable[Allow]) -> Iterator[str]:
    """What of the allowed callers should be known before it runs."""
    for at, each in enumerate(allow):
        if each.until is None:
            yield f"allow::{at}: has no `until`, so it holds for ever: {each.reason}"
        if each.user_agent and not (each.principal or each.client):
            yield f"allow::{at}: goes by the user agent, which anybody can send; name the client's network too"
