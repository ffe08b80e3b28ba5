"""Which endpoint was called, and on which object."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from apisec_otel import semconv
from apisec_otel.component import Host, Processor, for_native
from apisec_otel.processors.native import native_step, restored
from apisec_otel.spans.batch import SpanBatch


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Names the endpoint of each request: service, method and one spelling of its route for all stacks."""

    needs: ClassVar[frozenset[str]] = frozenset({"request"})
    provides: ClassVar[frozenset[str]] = frozenset({"route", "endpoint", "object_id", "login", "login_failed", "probe"})

    changes: ClassVar[dict[str, frozenset[str]]] = {
        "login_routes": frozenset({"login", "login_failed"}),
        "login_failed_status": frozenset({"login_failed"}),
        "health_routes": frozenset({"probe"}),
    }

    login_routes: tuple[str, ...] = (
        "login", "log-in", "log_in", "signin", "sign-in", "sign_in", "logon", "authenticate", "auth", "token", "session", "sessions",
    )  # fmt: skip
    """Last route segments, in lower case, that make a POST a login."""
    login_failed_status: tuple[int, ...] = (400, 401, 403, 404, 422, 423, 429)
    """Statuses of a failed login."""
    health_routes: tuple[str, ...] = (
        "/health", "/healthz", "/healthcheck", "/health/live", "/health/ready", "/livez", "/readyz", "/live", "/ready", "/ping", "/metrics",
        "/-/healthy", "/-/ready",
        "/actuator/health", "/actuator/health/liveness", "/actuator/health/readiness", "/grpc.health.v1.Health/Check",
    )  # fmt: skip
    """Routes of health checks, which pass unjudged."""
    max_endpoints: int = 20_000
    """Most endpoints told apart; what comes later is `(unmatched)`."""

    def __post_init__(self) -> None:
        """Refuses a number that no endpoint fits in."""
        if self.max_endpoints < 1:
            raise ValueError("max_endpoints must be greater than 0")

    def build(self, host: Host) -> Processor:
        """The running step."""
        return Naming(native_step("Endpoints", {"methods": list(semconv.METHODS), **for_native(self)}, host), host)


class Naming:
    """Names endpoints, and tells the names."""

    def __init__(self, step: Any, host: Host) -> None:
        self._step = step
        host.endpoint_names.follow(step.name)
        host.telemetry.observe("apisec_endpoints", lambda: float(len(step)))
        host.telemetry.observe("apisec_endpoints_overflow", lambda: float(step.overflow()), kind="counter")

    def process(self, batch: SpanBatch) -> None:
        """Fills route, endpoint, object_id, login, login_failed and probe."""
        self._step.process(batch.native)

    @property
    def meaning(self) -> str:
        """A route is spelled the same whatever is set."""
        return ""

    def snapshot(self) -> Iterator[bytes]:
        """Names, spellings and templates."""
        return iter(self._step.shards())

    def restore(self, shards: Iterable[bytes]) -> Sequence[str]:
        """Goes on from there."""
        return restored(self._step, shards)
