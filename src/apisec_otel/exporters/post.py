"""One POST to a URL: no redirect is followed, and no private address is spoken to unless that is allowed."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

LATER: Final = frozenset({408, 425, 429})
"""Answers, beside those from 500 on, after which the same may be taken later."""
READ: Final = 4096
"""Bytes of an answer that are looked at."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it."""

    status: int
    """HTTP status; 0 when there was no answer."""
    message: str = ""
    retry_after: float | None = None
    """Seconds, when the other side asked for that."""

    @property
    def taken(self) -> bool:
        """The other side has it."""
        return 200 <= self.status < 300

    @property
    def later(self) -> bool:
        """It may be taken later; neither taken nor later: it never will be."""
        return self.status == 0 or self.status >= 500 or self.status in LATER


class PrivateTargetError(OSError):
    """The target's address is none of the public Internet."""


class Post:
    """Sends bodies to one URL. `allow_private`: loopback, private and link-local addresses may be spoken to."""

    def __init__(self, url: str, *, timeout: float, allow_private: bool) -> None:
        self._parts = urlsplit(url)
        self._timeout, self._allow_private = timeout, allow_private

    def send(self, body: bytes, headers: Mapping[str, str], now: float) -> Answer:
        """Posts and waits for the answer, `timeout` seconds at most for each step; `now` is the time in seconds since 1970."""
        connection = self._connection()
        try:
            connection.sock = self._connected()
            connection.request("POST", self._target, body, {"User-Agent": "apisec-otel", **headers})
            response = connection.getresponse()
            told = response.read(READ).decode(errors="replace")
            return Answer(
                response.status, f"{response.status} {response.reason} {told}".strip(), _after(response.getheader("Retry-After"), now)
            )
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, f"{type(error).__name__}: {error}")
        finally:
            connection.close()

    @property
    def _target(self) -> str:
        return (self._parts.path or "/") + (f"?{self._parts.query}" if self._parts.query else "")

    def _connection(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self._parts.hostname or "", self._port, timeout=self._timeout)
        connection.default_port = self._port  # the Host header names a port only where it is none of the scheme's
        if self._parts.port:
            connection.default_port = 0
        return connection

    @property
    def _port(self) -> int:
        return self._parts.port or (443 if self._parts.scheme == "https" else 80)

    def _connected(self) -> socket.socket:
        """A connection to an address that was looked at: a name that answers otherwise the next time changes nothing."""
        failed: OSError = OSError("the name has no address")
        for family, _, protocol, _, address in socket.getaddrinfo(self._parts.hostname, self._port, type=socket.SOCK_STREAM):
            plain = socket.socket(family, socket.SOCK_STREAM, protocol)
            try:
                self._check(str(address[0]))
                plain.settimeout(self._timeout)
                plain.connect(address)
                return self._wrapped(plain)
            except OSError as error:
                plain.close()
                failed = error
        raise failed

    def _wrapped(self, plain: socket.socket) -> socket.socket:
        if self._parts.scheme != "https":
            return plain
        return ssl.create_default_context().wrap_socket(plain, server_hostname=self._parts.hostname)

    def _check(self, address: str) -> None:
        if self._allow_private:
            return
        found = ipaddress.ip_address(address.partition("%")[0])
        mapped = getattr(found, "ipv4_mapped", None) or found
        if not mapped.is_global or mapped.is_multicast:
            raise PrivateTargetError(f"{self._parts.hostname} is at {address}, which is private; set allow_private to speak to it")


def check_url(url: str) -> None:
    """Raises ValueError where something is no URL to post to, or holds a password."""
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise ValueError("a URL is wanted, as in https://hooks.example.org/apisec")
    if parts.username or parts.password:
        raise ValueError("a URL must not hold user and password; put them into headers")


def _after(value: str | None, now: float) -> float | None:
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return None
