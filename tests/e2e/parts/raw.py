"""A bare client: bytes out, the whole answer back. Nothing is retried, nothing hidden."""

import gzip
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from parts.answers import SERVICES, Signal

METHODS = {signal: method for method, signal in SERVICES.items()}


@dataclass(frozen=True)
class Reply:
    """What came back: a gRPC code's name or an HTTP status, the body, and when to try again."""

    code: str
    body: bytes = b""
    message: str = ""
    retry_after: float | None = None

    @property
    def accepted(self) -> bool:
        """Whether the request was taken."""
        return self.code in ("OK", "200")

    @property
    def retryable(self) -> bool:
        """Whether OTLP says to send it again."""
        if self.code == "RESOURCE_EXHAUSTED":
            return self.retry_after is not None
        return self.code in RETRYABLE


RETRYABLE = {"UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "DATA_LOSS", "429", "502", "503", "504", "0"}
"""Codes of OTLP; "0" is a connection that broke."""


class GrpcClient:
    """One channel to `host:port`."""

    def __init__(self, endpoint: str, compressed: bool = False) -> None:
        compression = grpc.Compression.Gzip if compressed else grpc.Compression.NoCompression
        self._channel = grpc.insecure_channel(endpoint, compression=compression, options=RECONNECT)

    def export(self, body: bytes, signal: Signal = "traces", timeout: float = 10, metadata: Sequence[tuple[str, str]] = ()) -> Reply:
        """Sends one request."""
        call: Any = self._channel.unary_unary(METHODS[signal])
        try:
            return Reply("OK", call(body, timeout=timeout, metadata=tuple(metadata)))
        except grpc.RpcError as failed:
            error: Any = failed
            trailers = dict(error.trailing_metadata() or ())
            details = Status.FromString(trailers.get("grpc-status-details-bin", b""))
            return Reply(error.code().name, b"", error.details() or "", _retry_delay(details))

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


RECONNECT = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.min_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200)]
"""A server that comes back is found at once."""


class HttpClient:
    """Posts to `http://host:port`."""

    def __init__(self, endpoint: str, compressed: bool = False, content_type: str = "application/x-protobuf") -> None:
        self._endpoint = endpoint
        self._headers = {"Content-Type": content_type} | ({"Content-Encoding": "gzip"} if compressed else {})

    def export(self, body: bytes, signal: Signal = "traces", timeout: float = 10, metadata: Sequence[tuple[str, str]] = ()) -> Reply:
        """Sends one request."""
        data = gzip.compress(body) if "Content-Encoding" in self._headers else body
        request = urllib.request.Request(f"{self._endpoint}/v1/{signal}", data, self._headers | dict(metadata))
        try:
            with urllib.request.urlopen(request, timeout=timeout) as reply:
                return Reply(str(reply.status), reply.read())
        except urllib.error.HTTPError as error:
            after = error.headers.get("Retry-After")
            return Reply(str(error.code), error.read(), error.reason, float(after) if after else None)
        except OSError as error:
            return Reply("0", message=str(error))

    def close(self) -> None:
        """Nothing is kept open."""


def _retry_delay(status: Status) -> float | None:
    for detail in status.details:
        info = RetryInfo()
        if detail.Unpack(info):
            return float(info.retry_delay.seconds + info.retry_delay.nanos / 1e9)
    return None
