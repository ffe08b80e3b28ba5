"""The one list of built-in components; then what other packages add by entry points.

An id is the component's file name and its key in YAML. Nothing is imported before it is asked for.
"""

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from apisec_otel.component import Family
from apisec_otel.errors import ComponentError, suggest

BUILTIN: dict[Family, dict[str, str]] = {
    "receivers": {
        "otlp": "apisec_otel.receivers.otlp:Otlp",
    },
    "processors": {
        "memory_limiter": "apisec_otel.processors.memory_limiter:MemoryLimiter",
        "requests": "apisec_otel.processors.requests:Requests",
        "endpoints": "apisec_otel.processors.endpoints:Endpoints",
        "sessions": "apisec_otel.processors.sessions:Sessions",
        "payloads": "apisec_otel.processors.payloads:Payloads",
        "detect": "apisec_otel.processors.detect:Detect",
        "decide": "apisec_otel.processors.decide:DecideSettings",
    },
    "connectors": {
        "findings": "apisec_otel.connectors.findings:FindingsSettings",
    },
    "exporters": {
        "otlp_grpc": "apisec_otel.exporters.otlp_grpc:OtlpGrpc",
        "otlp_http": "apisec_otel.exporters.otlp_http:OtlpHttp",
        "file": "apisec_otel.exporters.file:FileSettings",
        "debug": "apisec_otel.exporters.debug:DebugSettings",
        "alertmanager": "apisec_otel.exporters.alertmanager:AlertmanagerSettings",
        "webhook": "apisec_otel.exporters.webhook:WebhookSettings",
    },
    "extensions": {
        "health_check": "apisec_otel.extensions.health_check:HealthCheck",
        "file_storage": "apisec_otel.extensions.file_storage:FileStorage",
    },
    "detectors": {
        "auth_bruteforce": "apisec_otel.detectors.auth_bruteforce:AuthBruteforce",
        "bola_enumeration": "apisec_otel.detectors.bola_enumeration:BolaEnumeration",
        "bola_walk": "apisec_otel.detectors.bola_walk:BolaWalk",
        "request_anomaly": "apisec_otel.detectors.request_anomaly:RequestAnomaly",
        "scan_honeypath": "apisec_otel.detectors.scan_honeypath:ScanHoneypath",
        "scan_probing": "apisec_otel.detectors.scan_probing:ScanProbing",
        "session_conduct": "apisec_otel.detectors.session_conduct:SessionConduct",
        "session_evidence": "apisec_otel.detectors.session_evidence:SessionEvidence",
        "session_anomaly": "apisec_otel.detectors.session_anomaly:SessionAnomaly",
    },
}

ALIASES: dict[Family, dict[str, str]] = {"exporters": {"otlp": "otlp_grpc", "otlphttp": "otlp_http"}}
"""Old names of the Collector, still accepted."""

MADE: dict[Family, dict[str, str]] = {"detectors": {"river": "apisec_otel.detectors.river:River"}}
"""What configuration can make under an id of its own: the key that says so, and the class of its settings."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a component comes from."""

    target: str
    """`module:Class`."""
    package: str
    """Distribution that brings it."""
    version: str = ""


def known(family: Family) -> dict[str, Origin]:
    """All components of a family by id, built-in ones first; a plug-in cannot take a built-in's id."""
    found = {id: Origin(target, "apisec-otel") for id, target in BUILTIN[family].items()}
    for point in _installed(family):
        package = point.dist
        found.setdefault(point.name, Origin(point.value, package.name if package else "", package.version if package else ""))
    return found


def resolve(family: Family, type_: str) -> str:
    """The id that a type in YAML stands for: itself, or what an alias names."""
    return ALIASES.get(family, {}).get(type_, type_)


@cache
def load(family: Family, type_: str) -> type:
    """Imports a component's settings class.

    Raises ComponentError, which names the component and its package, when it is unknown or cannot be imported.
    """
    origin = known(family).get(resolve(family, type_))
    if origin is None:
        raise ComponentError(f"unknown type {type_!r} of {family}; {suggest(type_, known(family))}")
    return _imported(origin.target, f"{family}::{type_} of {origin.package} ({origin.target})")


def load_made(family: Family, key: str) -> type:
    """The settings class of what configuration makes by a key."""
    return _imported(MADE[family][key], f"{family}, made by {key}")


def _imported(target: str, where: str) -> type:
    module, _, name = target.partition(":")
    try:
        loaded = getattr(import_module(module), name)
    except Exception as error:
        raise ComponentError(f"{where} cannot be imported: {type(error).__name__}: {error}") from error
    if not hasattr(loaded, "__dataclass_fields__"):
        raise ComponentError(f"{where} is not a dataclass of settings")
    return loaded  # type: ignore[no-any-return]


@cache
def _installed(family: Family) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=f"apisec_otel.{family}"))
