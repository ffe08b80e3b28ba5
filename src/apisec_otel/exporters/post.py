"""One POST to a URL: no redirect is followed, and no private address is spoken to unless that is allowed."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import SplitResult, urlsplit

from apisec_otel.exporters.client import ClientTls

LATER: Final = frozenset({408, 425, 429})
"""Answers, beside those from 500 on, after which the same may be taken later."""
READ: Final = 4096
"""Bytes of an answer that are read."""
_CARRIERS: Final = tuple((ipaddress.IPv6Network(net), shift) for net, shift in (("64:ff9b::/96", 0), ("::/96", 0), ("2002::/16", 80)))
"""IPv6 networks that lead to an IPv4 address (NAT64, compatible, 6to4), and the bits behind it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it."""

    status: int
    """HTTP status; 0 when there was no answer."""
    message: str = ""
    """In our words: what the other side writes may hold what it was sent."""
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
    """Sends bodies to one URL. `allow_private`: loopback, private and link-local addresses may be spoken to.

    OSError when a file that `tls` names cannot be read.
    """

    def __init__(self, url: str, *, timeout: float, allow_private: bool, tls: ClientTls | None = None) -> None:
        self._parts = urlsplit(url)
        self._timeout, self._allow_private = timeout, allow_private
        self._tls = tls or ClientTls()
        self._context = _context(self._tls) if self._parts.scheme == "https" else None

    def send(self, body: bytes, headers: Mapping[str, str], now: float) -> Answer:
        """Posts and waits for the answer, `timeout` seconds at most once it is connected; `now` is the time in seconds since 1970."""
        connection = self._connection()
        try:
            connection.sock = self._connected()
            with _ended_after(connection.sock, self._timeout):
                connection.request("POST", self._target, body, {"User-Agent": "apisec-otel", **headers})
                response = connection.getresponse()
                response.read(READ)
            return Answer(response.status, _words(response.status), _after(response.getheader("Retry-After"), now))
        except OSError as error:
            return Answer(0, f"{type(error).__name__}: {error}")
        except (http.client.HTTPException, ValueError) as error:
            return Answer(0, f"no answer of HTTP: {type(error).__name__}")
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
        if self._context is None:
            return plain
        return self._context.wrap_socket(plain, server_hostname=self._tls.server_name_override or self._parts.hostname)

    def _check(self, address: str) -> None:
        if not self._allow_private and not is_public(address):
            raise PrivateTargetError(f"{self._parts.hostname} is at {address}, which is private; set allow_private to speak to it")


def is_public(address: str) -> bool:
    """Whether an address is one of the public Internet, and so is the IPv4 address that it may stand for."""
    found = ipaddress.ip_address(address.partition("%")[0])
    meant = _carried(found) if isinstance(found, ipaddress.IPv6Address) else found
    return meant.is_global and not meant.is_multicast and not getattr(meant, "is_site_local", False)


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    if address.ipv4_mapped:
        return address.ipv4_mapped
    for network, shift in _CARRIERS:
        if address in network:
            return ipaddress.IPv4Address(int(address) >> shift & 0xFFFFFFFF)
    return address


def _context(tls: ClientTls) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=tls.ca_file)
    made.minimum_version = ssl.TLSVersion.TLSv1_3 if tls.min_version == "1.3" else ssl.TLSVersion.TLSv1_2
    if tls.cert_file:
        made.load_cert_chain(tls.cert_file, tls.key_file)
    if tls.insecure_skip_verify:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


@contextmanager
def _ended_after(connected: socket.socket, seconds: float) -> Iterator[None]:
    """Ends a connection whose other side says a byte now and then, so that no single wait is too long."""

    def end() -> None:
        with suppress(OSError):
            socket.socket.shutdown(connected, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _words(status: int) -> str:
    hint = ": redirects are not followed" if 300 <= status < 400 else ""
    return f"it answered {status} {http.client.responses.get(status, '')}".rstrip() + hint


def _after(value: str | None, now: float) -> float | None:
    said = (value or "").strip()
    if said.isascii() and said.isdigit():
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def parts_of(url: str) -> SplitResult:
    """The parts of a URL to post to; ValueError where it is none, or holds a password. The text does not tell the URL."""
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole or not (url.isascii() and url.isprintable()) or " " in url:
        raise ValueError("a URL is wanted, as in https://hooks.example.org/apisec")
    if parts.username or parts.password:
        raise ValueError("a URL must not hold user and password; put them into headers")
    return parts
