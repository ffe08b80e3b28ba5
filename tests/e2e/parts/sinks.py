"""Backends that remember every request, as it came, and answer as told: one for gRPC, one for HTTP.

In a test: `with GrpcSink() as sink: sink.answer(UNAVAILABLE, times=2)`. As a process, for tests that kill it:

    python -m parts.sinks grpc|http PORT JOURNAL        (in tests/e2e)

which writes a request into JOURNAL (a line `signal base64`) before it answers, so that nothing acknowledged can be
missing from it. A journal is read with `read_journal`.
"""

import base64
import gzip
import signal as signals
import socket
import sys
import threading
import zlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from pathlib import Path
from typing import Any, Self

import grpc
from parts.answers import ACCEPT, PATHS, SERVICES, Answer, Signal

JSON = "application/json"


@dataclass(frozen=True)
class Received:
    """One request as it came: `body` less its compression, headers (gRPC: metadata) in lower case."""

    signal: Signal
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    accepted: bool = True
    wire: int = 0
    """Bytes of the body before decompression (HTTP only)."""


class Sink:
    """What both have in common: the memory, and the answers that are due."""

    def __init__(self, port: int = 0, journal: Path | None = None) -> None:
        self.port = port
        self.received: list[Received] = []
        self._journal = journal.open("a") if journal else None
        self._due: deque[Answer] = deque()
        self._always = ACCEPT
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def answer(self, answer: Answer, times: int | None = None) -> None:
        """Gives this answer to the next `times` requests, or to all from now on."""
        with self._lock:
            if times is None:
                self._due.clear()
                self._always = answer
            else:
                self._due.extend([answer] * times)

    def bodies(self, signal: Signal = "traces", accepted: bool = True) -> list[bytes]:
        """The requests of a signal, in order; only accepted ones unless told otherwise."""
        return [each.body for each in list(self.received) if each.signal == signal and (each.accepted or not accepted)]

    def _take(self, signal: Signal, body: bytes, headers: dict[str, str], wire: int) -> Answer:
        with self._lock:
            answer = self._due.popleft() if self._due else self._always
        if answer.delay:
            self._closing.wait(answer.delay)
        with self._lock:
            if self._journal and answer.accepts:
                self._journal.write(f"{signal} {base64.b64encode(body).decode()}\n")
                self._journal.flush()
            self.received.append(Received(signal, body, headers, answer.accepts, wire))
        return answer

    def start(self) -> None:
        """Listens; on the same port again after a stop."""
        raise NotImplementedError

    def stop(self) -> None:
        """Closes all connections at once."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class GrpcSink(Sink):
    """OTLP/gRPC; `endpoint` is `127.0.0.1:port`."""

    @property
    def endpoint(self) -> str:
        """Where to send."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        self._closing.clear()
        options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)]
        self._server = grpc.server(ThreadPoolExecutor(16), options=options)
        self._server.add_generic_rpc_handlers((_Services(self._export),))
        self.port = self._server.add_insecure_port(self.endpoint)
        self._server.start()

    def stop(self) -> None:
        self._closing.set()
        self._server.stop(0).wait()

    def _export(self, signal: Signal, body: bytes, context: grpc.ServicerContext) -> bytes:
        headers = {key: value if isinstance(value, str) else value.hex() for key, value in context.invocation_metadata()}
        answer = self._take(signal, body, headers, 0)
        if answer.grpc != "OK":
            context.set_trailing_metadata((("grpc-status-details-bin", answer.details()),))
            context.abort(grpc.StatusCode[answer.grpc], answer.message)
        return answer.body(signal)


class _Services(grpc.GenericRpcHandler):
    """All three services without their classes: bytes in, bytes out."""

    def __init__(self, export: Callable[[Signal, bytes, grpc.ServicerContext], bytes]) -> None:
        self._export = export

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        signal = SERVICES.get(handler_call_details.method)
        if signal is None:
            return None
        return grpc.unary_unary_rpc_method_handler(lambda body, context: self._export(signal, body, context))


class HttpSink(Sink):
    """OTLP/HTTP; `endpoint` is `http://127.0.0.1:port`, paths /v1/traces, /v1/logs, /v1/metrics."""

    @property
    def endpoint(self) -> str:
        """Where to send."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._closing.clear()
        self._server = _Server(("127.0.0.1", self.port), _handler(self._take))
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.hang_up()


class _Server(ThreadingHTTPServer):
    """Knows its connections, for kept-alive ones would outlive it."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _handler(take: Callable[[Signal, bytes, dict[str, str], int], Answer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            headers = {key.lower(): value for key, value in self.headers.items()}
            wire = _chunks(self.rfile) if headers.get("transfer-encoding") == "chunked" else self.rfile.read(int(headers["content-length"]))
            signal = PATHS.get(self.path)
            if signal is None:
                self._reply(404, b"", None)
                return
            answer = take(signal, _decompress(wire, headers.get("content-encoding", "")), headers, len(wire))
            as_json = headers.get("content-type") == JSON
            body = answer.body(signal, as_json) if answer.http == 200 else answer.details()
            self._reply(answer.http, body, answer.retry_after)

        def _reply(self, status: int, body: bytes, retry_after: float | None) -> None:
            self.send_response(status)
            as_json = status == 200 and self.headers.get("Content-Type") == JSON
            self.send_header("Content-Type", JSON if as_json else "application/x-protobuf")
            self.send_header("Content-Length", str(len(body)))
            if retry_after is not None:
                self.send_header("Retry-After", f"{retry_after:.0f}")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    return Handler


def _chunks(stream: BufferedIOBase) -> bytes:
    """A chunked body, as Node's exporters send it."""
    body = b""
    while size := int(stream.readline().split(b";")[0], 16):
        body += stream.read(size)
        stream.readline()
    while stream.readline().strip():
        pass
    return body


def _decompress(body: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(body)
    if encoding == "deflate":
        return zlib.decompress(body)
    return body


def read_journal(journal: Path, signal: Signal = "traces") -> list[bytes]:
    """The requests of a signal that a sink process acknowledged; a line cut by a kill was not."""
    lines = journal.read_bytes().split(b"\n")[:-1] if journal.exists() else []
    found = (line.partition(b" ") for line in lines)
    return [base64.b64decode(body) for name, _, body in found if name.decode() == signal]


def main(protocol: str, port: str, journal: str) -> None:
    """Serves until it is killed."""
    sink = {"grpc": GrpcSink, "http": HttpSink}[protocol](int(port), Path(journal))
    sink.start()
    print(f"listening on {sink.port}", flush=True)
    signals.sigwait({signals.SIGTERM, signals.SIGINT})
    sink.stop()


if __name__ == "__main__":
    main(*sys.argv[1:4])
