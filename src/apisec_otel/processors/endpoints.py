"""Which endpoint was called, and on which object."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from apisec_otel import semconv
from apisec_otel.component import Host, Processor, Size, for_native
from apisec_otel.processors.native import native_step, restored
from apisec_otel.spans.batch import SpanBatch


@dataclass(frozen=True, kw_only=True)
class FixedRoute:
    """A template that wins over what instrumentation says and what is learned."""

    path: str
    """The template, as in `/users/{name}/profile`; a last `{*}` takes the rest of a path."""
    service: str = ""
    """`service.name` of the service; all services when left out."""

    def __post_init__(self) -> None:
        """Refuses a template that matches nothing or everything."""
        if not self.path.startswith("/") or self.path.strip("/") in ("{*}", "*", "**"):
            raise ValueError(f"routes: {self.path!r} is no template; write /users/{{name}}/profile")


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Names the endpoint of each request: service, method and one spelling of its route for all stacks."""

    needs: ClassVar[frozenset[str]] = frozenset({"request"})
    provides: ClassVar[frozenset[str]] = frozenset(
        {"route", "endpoint", "object_id", "object_number", "login", "login_failed", "probe"}
    ) | frozenset({"path_parent", "path_stem", "query_shape", "asset", "automatic", "nested", "listed"})

    changes: ClassVar[dict[str, frozenset[str]]] = {
        "login_routes": frozenset({"login", "login_failed"}),
        "login_failed_status": frozenset({"login_failed"}),
        "health_routes": frozenset({"probe"}),
        "routes": frozenset({"route", "endpoint", "object_id"}),
        "literals": frozenset({"route", "endpoint", "object_id"}),
        "asset_extensions": frozenset({"asset"}),
        "automatic_paths": frozenset({"automatic"}),
        "scanner_paths": frozenset({"listed"}),
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
    asset_extensions: tuple[str, ...] = (
        "css", "js", "mjs", "map", "png", "jpg", "jpeg", "gif", "svg", "ico", "webp", "avif", "woff", "woff2", "ttf",
    )  # fmt: skip
    """Extensions of files that pages load by themselves."""
    automatic_paths: tuple[str, ...] = (
        "favicon", "apple-touch-icon", "robots.txt", ".well-known", "browserconfig.xml", "sitemap", "ads.txt", "app-ads.txt",
    )  # fmt: skip
    """How path segments begin that browsers, phones and crawlers ask for on their own; that they are missing says nothing of anybody."""
    scanner_paths: tuple[str, ...] = (
        "/.env", "/.env.local", "/.env.production", "/.env.bak", "/.git/", "/.svn/", "/.hg/", "/.aws/", "/.ssh/", "/.docker/",
        "/.kube/config", "/.htpasswd", "/.htaccess", "/.ds_store", "/.npmrc", "/.vscode/sftp.json",
        "/wp-login.php", "/wp-config.php", "/wp-config.php.bak", "/xmlrpc.php", "/wp-admin/", "/wp-includes/", "/phpmyadmin/", "/pma/",
        "/phpinfo.php", "/info.php", "/vendor/phpunit/", "/cgi-bin/", "/server-status", "/server-info", "/web.config", "/id_rsa",
        "/actuator/env", "/actuator/heapdump", "/actuator/configprops", "/actuator/threaddump", "/actuator/gateway/routes",
        "/console/login/loginform.jsp", "/manager/html", "/hnap1", "/boaform/", "/solr/admin/", "/_profiler/", "/telescope/requests",
        "/debug/pprof/", "/dump.sql", "/backup.sql", "/database.sql", "/backup.zip", "/config.php.bak",
    )  # fmt: skip
    """Ends of paths that only scanners ask for, in lower case; with a slash last, parts of paths. Leave out what a service really has."""
    max_endpoints: int = 20_000
    """Most endpoints told apart; what comes later is `(unmatched)`."""
    routes: tuple[FixedRoute, ...] = ()
    """Templates that always win, the first that matches a path."""
    literals: tuple[str, ...] = ()
    """More path segments that are never variables; `me`, `search`, `login` and the like never are."""
    max_templates: int = 5_000
    """Most templates learned of one service where no route is given; the quarter that succeeded longest ago makes room."""
    template_memory: Size = 16 << 20
    """Most memory for all that is learned; the largest service makes room first."""

    def __post_init__(self) -> None:
        """Refuses a number that no endpoint fits in."""
        if self.max_endpoints < 1:
            raise ValueError("max_endpoints must be greater than 0")
        if any(not path.startswith("/") or len(path) < 3 for path in self.scanner_paths):
            raise ValueError("scanner_paths: each begins with a slash and has at least two letters more, as in /.env")
        if self.max_templates < 1:
            raise ValueError("max_templates must be greater than 0")

    def table_bytes(self) -> int:
        """Cap of the memory of learned templates."""
        return self.template_memory

    def for_native(self) -> dict[str, object]:
        """What the native step takes."""
        return {
            "methods": list(semconv.METHODS),
            "login_routes": list(self.login_routes),
            "login_failed_status": list(self.login_failed_status),
            "health_routes": list(self.health_routes),
            "max_endpoints": self.max_endpoints,
            "max_templates": self.max_templates,
            "template_bytes": self.template_memory,
            "literals": [*semconv.LITERAL_SEGMENTS, *self.literals],
            "routes": [for_native(route) for route in self.routes],
            "assets": [extension.lower().lstrip(".") for extension in self.asset_extensions],
            "automatic": list(self.automatic_paths),
            "listed": [path.lower() for path in self.scanner_paths],
        }

    def build(self, host: Host) -> Processor:
        """The running step."""
        return Naming(native_step("Endpoints", self.for_native(), host), host)


class Naming:
    """Names endpoints, and tells the names."""

    def __init__(self, step: Any, host: Host) -> None:
        self._step = step
        host.endpoint_names.follow(step.name)
        host.telemetry.observe("apisec_endpoints", lambda: float(len(step)))
        host.telemetry.observe("apisec_endpoints_overflow", lambda: float(step.overflow()), kind="counter")
        host.telemetry.observe("apisec_endpoints_merged", lambda: float(step.counts()["merged"]), kind="counter")
        host.telemetry.observe("apisec_unknown_paths", lambda: float(step.counts()["unknown"]))
        host.telemetry.observe("apisec_templates_evicted", lambda: float(step.counts()["evicted"]), kind="counter")

    def process(self, batch: SpanBatch) -> None:
        """Fills route, endpoint, object_id, object_number, login, login_failed, probe, and where the path lies."""
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
