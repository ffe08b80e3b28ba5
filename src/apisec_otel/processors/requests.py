"""Which spans are API requests, from where they came, and how they ended."""

import ipaddress
from dataclasses import dataclass
from typing import ClassVar

from pydantic import SecretStr

from apisec_otel.component import Host, Processor, Size
from apisec_otel.processors.native import native


@dataclass(frozen=True, kw_only=True)
class Requests:
    """Finds the spans that are API requests and fills what is read from one span alone."""

    provides: ClassVar[frozenset[str]] = frozenset(
        {"request", "time", "client", "network", "service", "succeeded", "denied", "not_found", "failed", "late"},
    )

    trusted_proxies: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    """Networks whose forwarding headers are believed, in CIDR notation."""
    gateways: tuple[str, ...] = ()
    """Services that stand before others: their spans only fill what the application's lack."""
    secret_headers: tuple[str, ...] = ()
    """More headers whose values are overwritten on the way out."""
    secret_queries: tuple[str, ...] = ()
    """More query names whose values are overwritten on the way out."""
    secret_attributes: tuple[str, ...] = ()
    """More attributes whose values are overwritten, by their full keys."""
    hash_key: SecretStr | None = None
    """Secret of all hashed ids, 32 hex digits; without it one is made once and kept in file_storage."""
    repeats: Size = 32 << 20
    """Most memory for remembering requests seen, so that a sender's retry is not counted twice."""

    def __post_init__(self) -> None:
        """Refuses what is no network and no key."""
        for each in self.trusted_proxies:
            try:
                ipaddress.ip_network(each, strict=False)
            except ValueError:
                raise ValueError(f"trusted_proxies: {each!r} is no network; write 10.0.0.0/8 or 10.1.2.3") from None
        if self.hash_key is not None:
            self.hash_bytes()

    def hash_bytes(self) -> bytes | None:
        """The secret, when it is configured."""
        if self.hash_key is None:
            return None
        try:
            key = bytes.fromhex(self.hash_key.get_secret_value())
        except ValueError:
            key = b""
        if len(key) != 16:
            raise ValueError("hash_key is 32 hex digits, as `openssl rand -hex 16` prints them")
        return key

    def vocabulary(self) -> dict[str, tuple[str, ...]]:
        """What it adds to the vocabulary."""
        return {"secret_headers": self.secret_headers, "secret_queries": self.secret_queries, "secret_attributes": self.secret_attributes}

    def table_bytes(self) -> int:
        """Cap of the memory of repeats."""
        return self.repeats

    def for_native(self) -> dict[str, object]:
        """What the native step takes."""
        return {"trusted_proxies": list(self.trusted_proxies), "gateways": list(self.gateways), "repeats": self.repeats}

    def build(self, host: Host) -> Processor:
        """The running step."""
        return native("Requests", self, host)
