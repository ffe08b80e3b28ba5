"""Sends OTLP over gRPC; the backend's answer is the reply to the sender."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Literal

from pydantic import SecretStr

from apisec_otel.component import Size
from apisec_otel.exporters.client import REFUSED, ClientTls, address, check_address, without_nothing


@dataclass(frozen=True, kw_only=True)
class OtlpGrpc:
    """Sends requests over OTLP/gRPC."""

    signals: ClassVar[frozenset[str]] = frozenset({"traces", "logs", "metrics"})
    replies: ClassVar[bool] = True
    refused: ClassVar[Mapping[str, str]] = REFUSED

    endpoint: str
    """host:port of the backend, or a URL (`https://` or `http://`)."""
    tls: ClientTls = field(default_factory=ClientTls)
    """How the backend is trusted; on unless `insecure`."""
    headers: Mapping[str, SecretStr] = field(default_factory=dict)
    """Metadata of every request."""
    compression: Literal["gzip", "snappy", "zstd", "none", ""] = "gzip"
    """Encoding of requests."""
    timeout: timedelta = timedelta(seconds=5)
    """Longest time for one request; a sender's shorter deadline wins."""
    connections: int = 1
    """HTTP/2 connections."""
    loop_memory: Size = 4 << 20
    """Most memory for knowing the spans that the backend acknowledged, so that a loop (it sends them back to us) is noticed and ended;
    0: never looked for."""

    def __post_init__(self) -> None:
        """Refuses what is no address."""
        check_address(self.endpoint)

    def sends(self) -> Sequence[str]:
        """The backend's address."""
        return [address(self.endpoint)]

    def table_bytes(self) -> int:
        """Cap of the memory of delivered spans."""
        return self.loop_memory

    def for_native(self) -> dict[str, Any]:
        """What the native exporter takes, but for its name."""
        return without_nothing(self) | {"kind": "otlp_grpc", "compression": self.compression or "none"}
