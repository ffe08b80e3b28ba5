"""Where export requests go: files that `apisec-otel replay` reads, or an endpoint that takes OTLP."""

from __future__ import annotations

import gzip
import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Final, cast
from urllib.parse import urlsplit

TRIES: Final = 5
RETRIED: Final = (429, 502, 503, 504)
METHOD: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class SinkError(Exception):
    """What was made could not be handed on; the text says where and why."""


class Days(AbstractContextManager["Days"]):
    """A directory with two files a day: day-1.otlp.pb (records behind their length of 4 bytes) and day-1.truth.jsonl."""

    def __init__(self, directory: Path, start: float, days: int, compress: bool) -> None:
        self._directory, self._start, self._days, self._compress = directory, start, days, compress
        self._open: dict[str, IO[bytes]] = {}
        self._stack = ExitStack()
        directory.mkdir(parents=True, exist_ok=True)

    def record(self, at: float, request: bytes) -> None:
        """Writes an export request to its day's file."""
        self._file(at, "otlp.pb.gz" if self._compress else "otlp.pb").write(len(request).to_bytes(4, "big") + request)

    def truth(self, at: float, told: str) -> None:
        """Writes a line of truth."""
        self._file(at, "truth.jsonl").write(told.encode())

    def _file(self, at: float, kind: str) -> IO[bytes]:
        # What is still on its way at midnight is in the next day's file, where there is one.
        day = min(self._days - 1, max(0, int((at - self._start) // 86_400)))
        name = f"day-{day + 1}.{kind}"
        if name not in self._open:
            file: IO[bytes] = self._stack.enter_context((self._directory / name).open("wb"))
            if kind.endswith("gz"):
                # Without a time in its head, the same traffic gives the same bytes.
                packed = self._stack.enter_context(gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0))
                file = cast(IO[bytes], packed)
            self._open[name] = file
        return self._open[name]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()


Send = Callable[[bytes], None]


@contextmanager
def sender(endpoint: str) -> Iterator[Send]:
    """What sends to an endpoint: http://host:4318 is OTLP/HTTP, host:4317 gRPC."""
    with _http(endpoint) if "://" in endpoint else _grpc(endpoint) as send:
        yield send


@contextmanager
def _http(endpoint: str) -> Iterator[Send]:
    parts = urlsplit(endpoint)
    if parts.scheme != "http" or not parts.hostname:
        raise SinkError(f"{endpoint}: write http://host:4318 for OTLP/HTTP, or host:4317 for gRPC")
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 4318, timeout=30)
    path = parts.path.rstrip("/") or ""

    def send(request: bytes) -> None:
        for attempt in range(TRIES):
            try:
                connection.request("POST", f"{path}/v1/traces", request, {"Content-Type": "application/x-protobuf"})
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if attempt == TRIES - 1:
                    raise SinkError(f"{endpoint}: {error}") from error
            else:
                if answer.status == 200:
                    return
                if answer.status not in RETRIED:
                    raise SinkError(f"{endpoint} answered {answer.status}")
            time.sleep(2.0**attempt / 4)
        raise SinkError(f"{endpoint} refused {TRIES} times")

    try:
        yield send
    finally:
        connection.close()


@contextmanager
def _grpc(endpoint: str) -> Iterator[Send]:
    try:
        import grpc
    except ImportError as error:
        raise SinkError(f"{endpoint} means gRPC, which needs the package grpcio; http://host:4318 needs nothing") from error
    with grpc.insecure_channel(endpoint) as channel:
        export = channel.unary_unary(METHOD)

        def send(request: bytes) -> None:
            try:
                export(request, timeout=30, wait_for_ready=True)
            except grpc.RpcError as error:
                raise SinkError(f"{endpoint}: {error.code().name}") from error

        yield send
