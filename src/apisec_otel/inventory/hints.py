"""The setting of an instrumentation that turns a missing column on.

Scopes and settings as of: opentelemetry-python-contrib 0.66b0, opentelemetry-java-instrumentation 2.33, JavaScript
auto-instrumentations 0.81, otelhttp and otelgrpc 0.72, Envoy 1.40.
"""

from __future__ import annotations

from typing import Final

_USER: Final = 'set the attribute user.id on the SERVER span where the user is known: `span.set_attribute("user.id", id)`'

HINTS: Final[tuple[tuple[str, str, str], ...]] = (
    (
        "opentelemetry.instrumentation.",
        "credential",
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST=authorization in the service's environment",
    ),
    (
        "io.opentelemetry.",
        "credential",
        "OTEL_INSTRUMENTATION_HTTP_SERVER_CAPTURE_REQUEST_HEADERS=authorization in the environment of the Java agent",
    ),
    (
        "@opentelemetry/instrumentation-http",
        "credential",
        "in code: new HttpInstrumentation({headersToSpanAttributes: {server: {requestHeaders: ['authorization']}}})",
    ),
    (
        "go.opentelemetry.io/contrib/instrumentation/",
        "credential",
        'it captures no headers; in the handler: trace.SpanFromContext(ctx).SetAttributes(attribute.String("user.id", id))',
    ),
    ("", "credential", "capture the request header authorization as http.request.header.authorization; apisec-otel keeps a hash of it"),
    (
        "go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc",
        "client",
        "otelgrpc tells no caller; set client.address from peer.FromContext(ctx) in an interceptor",
    ),
    (
        "opentelemetry.instrumentation.aiohttp_server",
        "client",
        "this instrumentation tells no client; set client.address from request.remote in a middleware",
    ),
    ("", "client", "record client.address (or network.peer.address) on the SERVER span"),
    (
        "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp",
        "route",
        "wrap handlers inside the mux (otelhttp.NewHandler(handler, pattern) for each route), so that http.route or the span's name has it",
    ),
    ("@opentelemetry/instrumentation-http", "route", "add the framework's instrumentation (Fastify: register @fastify/otel)"),
    ("", "route", "record http.route; without it templates are learned from the paths of requests that succeed"),
    ("", "endpoint", "record service.name, http.request.method and http.route"),
    ("", "object_id", "record url.path (or http.target), and http.route with the parameter in it: /orders/{id}"),
    ("", "object_number", "object ids here are no numbers; nothing to set"),
    ("", "path", "record url.path (or http.target)"),
    ("", "query", "record url.query (otelhttp records none)"),
    ("", "user_agent", "record user_agent.original"),
    ("", "status", "record http.response.status_code"),
    ("", "succeeded", "record http.response.status_code"),
    ("", "denied", "record http.response.status_code"),
    ("", "not_found", "record http.response.status_code"),
    ("", "failed", "record http.response.status_code"),
    ("", "login_failed", "record http.response.status_code"),
    ("", "version", "set service.version in OTEL_RESOURCE_ATTRIBUTES"),
    ("", "role", "set user.roles on the SERVER span"),
    ("", "response_size", "record http.response.body.size"),
    ("", "request_size", "record http.request.body.size"),
    ("", "session", "record client.address and user_agent.original, or session.id"),
    ("", "actor", "record client.address and user_agent.original, or user.id"),
)
"""Prefix of an instrumentation's scope, column, what to set; the first that fits holds."""


def hint(column: str, scopes: list[str]) -> str:
    """What to set so that a service whose spans come from these scopes tells the column."""
    if column == "principal":
        return f"{_USER}; or {hint('credential', scopes)}"
    for prefix, name, text in HINTS:
        if name == column and (not prefix or any(scope.startswith(prefix) for scope in scopes)):
            return text
    return f"nothing known; see the sources of {column}: `apisec-otel components --columns`"
