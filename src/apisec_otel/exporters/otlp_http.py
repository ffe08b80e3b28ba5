"""Sends OTLP over HTTP; the backend's answer is the reply to the sender."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Literal

from pydantic import SecretStr

from apisec_otel.component import Size
from apisec_otel.exporters.client import REFUSED, ClientTls, address, check_address, without_nothing


@dataclass(frozen=True, kw_only=True)
class OtlpHttp:
    """Sends requests over OTLP/HTTP with protobuf."""

    signals: ClassVar[frozenset[str]] = frozenset({"traces", "logs", "metrics"})
    replies: ClassVar[bool] = True
    refused: ClassVar[Mapping[str, str]] = REFUSED

    endpoint: str = ""
    """URL of the backend; `/v1/traces` and kin are appended."""
    traces_endpoint: str | None = None
    """Whole URL for traces, used as it is."""
    logs_endpoint: str | None = None
    """Whole URL for logs, used as it is."""
    metrics_endpoint: str | None = None
    """Whole URL for metrics, used as it is."""
    tls: ClientTls = field(default_factory=ClientTls)
    """How an `https://` backend is trusted."""
    headers: Mapping[str, SecretStr] = field(default_factory=dict)
    """Headers of every request."""
    compression: Literal["gzip", "zstd", "snappy", "zlib", "deflate", "none", ""] = "gzip"
    """Encoding of requests."""
    timeout: timedelta = timedelta(seconds=30)
    """Longest time for one request; a sender's shorter deadline wins."""
    connections: int = 64
    """Most connections at a time."""
    loop_memory: Size = 4 << 20
    """Most memory for knowing the spans that the backend acknowledged, so that a loop (it sends them back to us) is noticed and ended;
    0: never looked for."""

    def __post_init__(self) -> None:
        """Refuses an exporter that knows no URL."""
        given = [each for each in (self.endpoint, self.traces_endpoint, self.logs_endpoint, self.metrics_endpoint) if each]
        if not given:
            raise ValueError("at least one endpoint must be specified, as in endpoint: http://localhost:4318")
        for each in given:
            check_address(each)
            if not each.startswith(("http://", "https://")):
                raise ValueError(f"{each!r} is no URL; write http://{each} or https://{each}")

    def sends(self) -> Sequence[str]:
        """Addresses of all its URLs."""
        given = (self.endpoint, self.traces_endpoint, self.logs_endpoint, self.metrics_endpoint)
        return sorted({address(each) for each in given if each})

    def table_bytes(self) -> int:
        """Cap of the memory of delivered spans."""
        return self.loop_memory

    def for_native(self) -> dict[str, Any]:
        """What the native exporter takes, but for its name."""
        return without_nothing(self) | {"kind": "otlp_http", "compression": self.compression or "none"}
