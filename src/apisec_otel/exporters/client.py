"""What both OTLP exporters can be told."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from apisec_otel.component import leaves, plain

NO_QUEUE: Final = (
    "there is no queue yet: the reply to the sender waits for the backend, so nothing is lost without one; "
    "leave the key out (a Collector before or behind apisec-otel may queue)"
)
NO_RETRY: Final = (
    "nothing is retried inside yet: the backend's answer, its RetryInfo included, is the reply, and the sender retries; leave the key out"
)
REFUSED: Final[Mapping[str, str]] = {"sending_queue": NO_QUEUE, "retry_on_failure": NO_RETRY}


@dataclass(frozen=True, kw_only=True)
class ClientTls:
    """How the backend is trusted."""

    insecure: bool = False
    """Plain text."""
    ca_file: str | None = None
    """PEM roots; the system's when unset."""
    cert_file: str | None = None
    """PEM chain shown to the backend."""
    key_file: str | None = None
    """PEM key of it."""
    server_name_override: str | None = None
    """Name expected in the backend's certificate."""
    insecure_skip_verify: bool = False
    """Take any certificate."""
    min_version: str = "1.2"
    """Oldest TLS that is spoken: 1.2 or 1.3."""

    def __post_init__(self) -> None:
        """Refuses half a pair and old versions."""
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError("cert_file and key_file go together")
        if self.min_version not in ("1.2", "1.3"):
            raise ValueError("min_version is 1.2 or 1.3")


def without_nothing(settings: Any) -> dict[str, Any]:
    """Settings as native code takes them; what is unset is left out."""
    return {
        name: without_nothing(value) if hasattr(value, "__dataclass_fields__") else plain(value)
        for name, value in leaves(settings)
        if value is not None
    }


def address(endpoint: str) -> str:
    """`host:port` of a URL or of `host:port`, the scheme's port filled in."""
    parts = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}")
    usual = {"http": 80, "https": 443}.get(parts.scheme, 4317)
    return f"{parts.hostname or 'localhost'}:{parts.port or usual}"


def check_address(endpoint: str) -> None:
    """Raises ValueError when there is no host, or the port is none."""
    try:
        parts = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}")
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise ValueError(f"{endpoint!r} is no address; write host:port or a URL")
