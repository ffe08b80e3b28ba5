"""Which attribute means what: the vocabulary read from spans, and the names of what is written.

The native codec knows no attribute name. It gets `vocabulary_json()` at start: for each column the sources to
look at, in order of preference, whatever the order on the span. Sources: the semantic conventions before 1.20 and
from 1.23 (both sets may sit on one span: the stable name wins), and the private names of Envoy, Istio, Kong,
Traefik, nginx and gRPC instrumentations.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from apisec_otel.ladder import Rung, principal_ladder, session_ladder

SERVER: Final = 2
"""`Span.kind` of a call received."""

MISSING: Final = (
    *("", "-", "_OTHER", "REDACTED", "Redacted", "redacted", "REDACTED:REDACTED"),
    *(f"[{word}]" for word in ("REDACTED", "Redacted", "redacted", "FILTERED", "Filtered", "filtered")),
    *(f"<{word}>" for word in ("REDACTED", "Redacted", "redacted")),
)
"""Values that say nothing: what redaction leaves, proxies' dash, and `_OTHER` (a method that nobody knows).

As keys they would put all users into one session. A value of asterisks only is missing as well."""

SCOPE_ROUTE_NAMES: Final = ("go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp",)
"""Scopes whose span name `METHOD /route` carries the route when no attribute does."""

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY")
"""Methods that name an endpoint; any other is `_OTHER`, for a caller can make up as many as he likes."""

LITERAL_SEGMENTS: Final = (
    *("me", "self", "current", "search", "login", "logout", "new", "count", "export", "batch", "health"),
    *("api", "rest", "graphql", "admin", "internal", "public"),
)
"""Path segments that are no object, however many words stand beside them: never a variable of a learned template."""

HEADER_PREFIXES: Final = (
    "http.request.header.",
    "http.response.header.",
    "rpc.request.metadata.",
    "rpc.response.metadata.",
    "rpc.grpc.request.metadata.",
    "rpc.grpc.response.metadata.",
)
REQUEST_PREFIXES: Final = ("http.request.header.", "rpc.request.metadata.", "rpc.grpc.request.metadata.")

SENT: Final = (
    ("http.request.body.content", "body"),
    ("http.request.body.text", "body"),
    ("http.request.body", "body"),
    ("servlet.request.parameter.", "parameter"),
)
"""Beginnings of keys, beside those of headers, under which instrumentations record what was sent, and how it is read: a body
(form, JSON, or neither) or one parameter, whose name is the rest of the key."""
COOKIES: Final = "cookie"

SECRET_HEADERS: Final = ("authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-auth-token")
CREDENTIAL_HEADERS: Final = ("authorization", "x-api-key", "x-auth-token")
"""What the word `credential` in a ladder stands for. The cookie header is not among them: trackers change it at every call."""
ISSUER: Final = "iss"
"""The claim that says in whose words a token speaks."""
SECRET_QUERIES: Final = ("token", "access_token", "api_key", "password", "code", "sig")
QUERY_CARRIERS: Final = ("url.query", "http.target", "url.full", "http.url")
"""Attributes in which a query string may stand."""

LIMITS: Final = {"attributes": 1024, "text": 16384, "depth": 64}
"""A span over `attributes` or a value over `text` bytes is not analysed; nesting over `depth` is refused."""


@dataclass(frozen=True, slots=True)
class Source:
    """One place where a column's value may stand.

    `read` is one of: text, number (numbers, numeric strings, the first element of an array), list (a string or the
    first element of an array), last (a string or the last element of an array), target.path, target.query,
    url.scheme, url.host, url.path, url.query, host (less its port), grpc_status (number or name, as HTTP status),
    flag (true or false), credential (as list; its scheme alone says nothing), cookie:NAME (one cookie of a header),
    claims:A,B (claims of a token's payload, the last of which must be there), constant:TEXT (present means TEXT).
    """

    key: str
    read: str = "text"
    at: str = "span"


CustomKind = Literal["key", "number", "flag"]
CUSTOM_READ: Final[dict[str, str]] = {"key": "list", "number": "number", "flag": "flag"}
"""How the value of a custom column of each kind is read."""
MOST_CUSTOM: Final = 8
"""Columns that configuration may add."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VocabularySettings:
    """What configuration adds to the vocabulary."""

    principal: tuple[str, ...] = ("user.id", "enduser.id", "credential")
    """Who calls: attributes, `jwt:CLAIM`, then `header:NAME` (`credential`: the usual ones) and `cookie:NAME`; the first present wins."""
    session: tuple[str, ...] = ("session.id", "principal", "client")
    """What groups calls: attributes, `header:NAME`, `cookie:NAME`, and the words `principal` and `client`."""
    secret_headers: tuple[str, ...] = ()
    """More headers whose values are overwritten on the way out."""
    secret_queries: tuple[str, ...] = ()
    """More query names whose values are overwritten on the way out."""
    secret_attributes: tuple[str, ...] = ()
    """Attributes whose values are overwritten, by their full keys."""
    custom: tuple[tuple[str, tuple[str, ...], CustomKind], ...] = ()
    """Columns that configuration adds: name, attributes (of the span, then of its resource), kind."""


def header_keys(name: str, prefixes: Iterable[str] = REQUEST_PREFIXES) -> list[str]:
    """Every attribute key under which a captured header may stand.

    Python instrumentations write underscores, all others dashes.

    >>> header_keys("X-Api-Key", ["http.request.header."])
    ['http.request.header.x-api-key', 'http.request.header.x_api_key']
    """
    dashed = name.lower().replace("_", "-")
    spellings = dict.fromkeys((dashed, dashed.replace("-", "_")))
    return [prefix + spelling for prefix in prefixes for spelling in spellings]


def _spans(*keys: str, read: str = "text") -> tuple[Source, ...]:
    return tuple(Source(key, read) for key in keys)


def _header(name: str, read: str = "list") -> tuple[Source, ...]:
    return _spans(*header_keys(name), read=read)


RPC_KEYS: Final = ("rpc.service", "rpc.system.name", "rpc.system", "rpc.method", "grpc.path")

COLUMNS: Final[dict[str, tuple[Source, ...]]] = {
    "service": (Source("service.name", at="resource"), Source("istio.canonical_service")),
    "namespace": (Source("service.namespace", at="resource"),),
    "environment": (Source("deployment.environment.name", at="resource"), Source("deployment.environment", at="resource")),
    "version": (Source("service.version", at="resource"),),
    "method": (
        # The original spelling counts only where the method itself is `_OTHER`: `GeT` must not be an endpoint of its own.
        *_spans("http.request.method", "http.request.method_original", "http.method"),
        *_spans(*RPC_KEYS, read="constant:POST"),
    ),
    "scheme": (*_spans("url.scheme", "http.scheme"), *_spans("url.full", "http.url", read="url.scheme")),
    "host": (
        # Flask puts host:port into net.host.name, FastAPI into http.server_name.
        *_spans("server.address", "http.host", "net.host.name", "http.server_name", "grpc.authority", read="host"),
        *_spans("url.full", "http.url", read="url.host"),
    ),
    "path": (
        *_spans("url.path"),
        *_spans("http.target", "http.path", read="target.path"),
        *_spans("url.full", "http.url", read="url.path"),
        *_spans("grpc.path"),
    ),
    "query": (
        *_spans("url.query"),
        # ASGI with old names: http.target has no query, http.url has it.
        *_spans("http.target", read="target.query"),
        *_spans("url.full", "http.url", read="url.query"),
    ),
    "route": _spans("http.route", "url.template", "rpc.method", "grpc.path"),
    "client": _spans("client.address", "http.client_ip"),
    "peer": _spans("network.peer.address", "net.sock.peer.addr", "net.peer.ip", "peer.address"),
    # Of several header lines the last was written by the nearest proxy; the first is the caller's own claim.
    "forwarded": _header("x-forwarded-for", read="last"),
    "agent": (*_spans("user_agent.original", "http.user_agent", "user_agent", "rpc.user_agent"), *_header("user-agent")),
    "role": (*_spans("user.roles", read="list"), *_spans("enduser.role")),
    "error": _spans("error.type"),
    "rpc": _spans(*RPC_KEYS),
    "status": (
        # A failed gRPC call is an HTTP 200: its own status says more, where both stand (Envoy).
        *_spans("rpc.response.status_code", "rpc.status_code", "rpc.grpc.status_code", "grpc.status_code", read="grpc_status"),
        *_spans("http.response.status_code", "http.status_code", read="number"),
    ),
    "request_size": (
        *_spans(
            "http.request.body.size",
            "http.request_content_length_uncompressed",
            "http.request_content_length",
            "http.request.size",
            "request_size",
            read="number",
        ),
        *_header("content-length", read="number"),
    ),
    "response_size": (
        *_spans(
            "http.response.body.size",
            "http.response_content_length_uncompressed",
            "http.response_content_length",
            "http.response.size",
            "response_size",
            read="number",
        ),
        *_spans(*header_keys("content-length", ["http.response.header."]), read="number"),
    ),
}
"""Sources of every column that no setting changes; `user`, `claim`, `credential` and `session` come from the settings."""


def columns(settings: VocabularySettings) -> dict[str, tuple[Source, ...]]:
    """All columns with their sources. A ladder in an impossible order is a ValueError that says so."""
    principal = principal_ladder(settings.principal)
    return {
        **COLUMNS,
        "user": _sources(rung for rung in principal if rung.kind == "attribute"),
        "claim": _sources(rung for rung in principal if rung.kind == "jwt"),
        "credential": _sources(rung for rung in principal if rung.kind not in ("attribute", "jwt")),
        "session": _sources(rung for rung in session_ladder(settings.session) if rung.kind != "word"),
        **{f"custom.{number}": _custom(keys, kind) for number, (_, keys, kind) in enumerate(sorted(settings.custom))},
    }


def _custom(keys: tuple[str, ...], kind: CustomKind) -> tuple[Source, ...]:
    return tuple(Source(key, CUSTOM_READ[kind], at) for key in keys for at in ("span", "resource"))


def _sources(ladder: Iterable[Rung]) -> tuple[Source, ...]:
    """Where the rungs of a ladder may stand, in order."""
    return tuple(dict.fromkeys(source for rung in ladder for source in _places(rung)))


def _places(rung: Rung) -> Iterable[Source]:
    match rung.kind:
        case "attribute":
            return _spans(rung.name)
        case "jwt":
            # Two issuers may call different people by the same name.
            return _header("authorization", f"claims:{ISSUER},{rung.name}")
        case "cookie":
            return _header("cookie", f"cookie:{rung.name}")
        case "header":
            return _header(rung.name, "credential")
        case "word":
            return [source for name in CREDENTIAL_HEADERS for source in _header(name, "credential")]


def _headers(ladder: Iterable[Rung]) -> list[str]:
    """The headers that a ladder names."""
    return [rung.name for rung in ladder if rung.kind == "header"]


def vocabulary_json(settings: VocabularySettings | None = None) -> str:
    """The vocabulary that the native codec reads, as JSON; the same settings give the same text."""
    settings = settings or VocabularySettings()
    named = _headers((*principal_ladder(settings.principal), *session_ladder(settings.session)))
    headers = dict.fromkeys((*SECRET_HEADERS, *settings.secret_headers, *named))
    secrets = [key for name in headers for key in header_keys(name, HEADER_PREFIXES)]
    spec = {
        "kinds": [SERVER],
        "scope_route_names": list(SCOPE_ROUTE_NAMES),
        "missing": list(MISSING),
        "reserved": RESERVED,
        "sent": [*REQUEST_PREFIXES, *(key for key, _ in SENT)],
        "columns": [
            {"column": name, "sources": [{"at": source.at, "key": source.key, "as": source.read} for source in sources]}
            for name, sources in columns(settings).items()
        ],
        "secret_headers": list(dict.fromkeys((*secrets, *settings.secret_attributes))),
        "query_carriers": list(QUERY_CARRIERS),
        "secret_queries": list(dict.fromkeys((*SECRET_QUERIES, *settings.secret_queries))),
        "limits": LIMITS,
    }
    return json.dumps(spec)


RESERVED: Final = "apisec."
"""Prefix of every attribute that apisec-otel writes."""

SCOPE: Final = "apisec-otel"
"""Name of our instrumentation scope, and `service.name` of finding spans and metrics."""

FINDING_EVENT: Final = "apisec.finding"
"""`event_name` of a finding's log record."""
INCIDENT_EVENT: Final = "apisec.incident"
"""`event_name` of an incident's log record."""

SEVERITY: Final = "apisec.severity"
"""info, low, medium, high or critical: the worst of what was raised on the span."""
FINDING: Final = "apisec.finding"
"""Id of the most severe detector that raised: one string, for UIs that search by exact match."""
FINDINGS: Final = "apisec.findings"
"""Ids of all detectors that raised, the most severe first."""
FINDING_ID: Final = "apisec.finding.id"
"""The finding's own id, the same after a retry; on log records and finding spans."""
RISK_SCORE: Final = "apisec.risk.score"
"""0 to 100: what the entity has accumulated, this request counted."""
SESSION_ID: Final = "apisec.session.id"
"""Session of the request, 16 hex digits."""
PRINCIPAL_HASH: Final = "apisec.principal.hash"
"""Keyed hash of who called, 16 hex digits."""
ENDPOINT: Final = "apisec.endpoint"
"""`service METHOD /route`."""
REASON: Final = "apisec.reason"
"""One line a person reads, under 256 characters."""
SAMPLING_KEEP: Final = "apisec.sampling.keep"
"""True: a tail sampler should keep the trace."""

OWASP: Final = "apisec.owasp"
"""OWASP API Security Top 10 id, such as API1:2023."""
TECHNIQUE: Final = "apisec.attack.technique"
"""MITRE ATT&CK technique, such as T1110."""
CONFIDENCE: Final = "apisec.confidence"
"""1 - p, where the signal has a p-value."""
EVIDENCE: Final = "apisec.evidence."
"""Followed by the evidence's name and `.observed` or `.expected`."""
ENTITY_TYPE: Final = "apisec.entity.type"
"""What carries the risk: principal, session, client, credential, ..."""
ENTITY_ID: Final = "apisec.entity.id"
"""Keyed hash of the entity, 16 hex digits."""
INCIDENT_ID: Final = "apisec.incident.id"
"""The incident's own id, the same in each of its records, 16 hex digits."""
INCIDENT_STATE: Final = "apisec.incident.state"
"""open, updated or closed."""
INCIDENT_FINDINGS: Final = "apisec.incident.findings"
"""Ids of its findings, the earliest first; at most 64."""
INCIDENT_COUNT: Final = "apisec.incident.findings.count"
"""How many findings it has."""
INCIDENT_FIRST: Final = "apisec.incident.first_time"
"""When its first sign was, RFC 3339."""
INCIDENT_LAST: Final = "apisec.incident.last_time"
"""When its last evidence was, RFC 3339."""

RULE_NAME: Final = "security_rule.name"
RULE_UUID: Final = "security_rule.uuid"
RULE_VERSION: Final = "security_rule.version"
RULE_CATEGORY: Final = "security_rule.category"
RULE_DESCRIPTION: Final = "security_rule.description"
RULE_REFERENCE: Final = "security_rule.reference"
RULE_RULESET: Final = "security_rule.ruleset.name"

METRIC_FINDINGS: Final = "apisec.findings"
"""Sum of findings by detector, severity and endpoint."""
METRIC_REQUESTS: Final = "apisec.requests"
"""Sum of requests by endpoint."""
