"""`GET /` on port 13133: whether the service runs, in the Collector's words."""

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from apisec_otel.clock import Clock
from apisec_otel.component import Host
from apisec_otel.errors import ComponentError

COVERAGE = "/coverage"
"""Path of what `apisec-otel coverage` asks: names of services and columns, no values."""


@dataclass(frozen=True, slots=True)
class Health:
    """What the service says of itself."""

    available: bool
    """Requests are taken."""
    degraded: dict[str, str] = field(default_factory=dict)
    """Components that failed lately, and how; spans still flow."""


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """Answers load balancers and orchestrators."""

    endpoint: str = "localhost:13133"
    """host:port to listen on."""
    path: str = "/"
    """Path that is answered."""

    def __post_init__(self) -> None:
        """Refuses what is no address."""
        _, colon, port = self.endpoint.rpartition(":")
        if not colon or not port.isdigit():
            raise ValueError(f"endpoint is host:port, as in localhost:13133; got {self.endpoint!r}")
        if not self.path.startswith("/"):
            raise ValueError(f"path begins with /; got {self.path!r}")

    def listens(self) -> Sequence[str]:
        """Its address."""
        return [self.endpoint]

    def build(self, host: Host) -> "Server":
        """The server, not yet listening."""
        return Server(self, host.clock)


class Server:
    """The listening side; says "not available" until told otherwise."""

    def __init__(self, settings: HealthCheck, clock: Clock) -> None:
        self.settings = settings
        self.report: Callable[[], Health] = lambda: Health(False)
        """Asked for each request."""
        self.coverage: Callable[[], list[dict[str, Any]]] = list
        """What `/coverage` tells: one entry a service."""
        self._clock = clock
        self._since = clock.now()
        self._server: ThreadingHTTPServer | None = None

    @property
    def port(self) -> int:
        """Where it listens; 0 before `start`."""
        return int(self._server.server_address[1]) if self._server else 0

    def start(self) -> None:
        """Listens; raises ComponentError when the address is taken."""
        host, _, port = self.settings.endpoint.rpartition(":")
        health = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 5

            def do_GET(self) -> None:
                status, body = health.answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Says nothing: health checks come every second."""

        try:
            self._server = ThreadingHTTPServer((host.strip("[]"), int(port)), Handler)
        except OSError as error:
            raise ComponentError(f"health_check cannot listen on {self.settings.endpoint}: {error.strerror}") from error
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="health_check", daemon=True).start()

    def stop(self) -> None:
        """Closes the port."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def answer(self, path: str) -> tuple[int, bytes]:
        """Status and body for a path."""
        if path.partition("?")[0] == COVERAGE != self.settings.path:
            return 200, json.dumps(self.coverage()).encode()
        if path.partition("?")[0] != self.settings.path:
            return 404, b"{}"
        health = self.report()
        since = datetime.fromtimestamp(self._since / 1e9, UTC).isoformat()
        said: dict[str, object] = {"status": "Server available" if health.available else "Server not available"}
        if health.available:
            said |= {"upSince": since, "uptime": f"{(self._clock.now() - self._since) / 1e9:.3f}s"}
        if health.degraded:
            said["degraded"] = health.degraded
        return (200 if health.available else 503), json.dumps(said).encode()
