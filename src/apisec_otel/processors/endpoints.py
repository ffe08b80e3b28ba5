"""Which endpoint was called, and on which object."""

from dataclasses import dataclass
from typing import ClassVar

from apisec_otel.component import Host, Processor
from apisec_otel.processors.native import native


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Names the endpoint of each request: service, method and one spelling of its route for all stacks."""

    needs: ClassVar[frozenset[str]] = frozenset({"request"})
    provides: ClassVar[frozenset[str]] = frozenset({"route", "endpoint", "object_id", "login", "login_failed", "probe"})

    login_routes: tuple[str, ...] = ("login", "signin", "sign-in", "authenticate", "token", "session", "sessions")
    """Last route segments that make a POST a login."""
    login_failed_statuses: tuple[int, ...] = (400, 401, 403, 422)
    """Statuses that mean a failed login."""
    probe_routes: tuple[str, ...] = ("health", "healthz", "livez", "readyz", "ready", "live", "ping", "metrics")
    """Last route segments of health checks, which are never judged."""

    def build(self, host: Host) -> Processor:
        """The running step."""
        return native("Endpoints", self, host)
