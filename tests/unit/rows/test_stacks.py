"""One request of each stack as it was recorded, and one attribute of each name: what columns they give."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.otlp import request, span

from apisec_otel import _native, semconv
from apisec_otel.processors.endpoints import Endpoints
from apisec_otel.processors.requests import Requests
from apisec_otel.spans.columns import records

OTELHTTP = "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
CLIENT = "203.0.113.7"


def columns(of: dict[str, Any], *, name: str = "", scope: str = "", resource: dict[str, Any] | None = None) -> dict[str, Any]:
    """The columns of one span; ids as numbers, the endpoint by name."""
    words = _native.Vocabulary(semconv.vocabulary_json(), bytes(range(16)))
    endpoints = _native.Endpoints(json.dumps(Endpoints().for_native()), words)
    batch = _native.decode([request(span(1, of, name=name), scope=scope, resource=resource)], words)
    _native.Requests(json.dumps(Requests().for_native()), words).process(batch)
    endpoints.process(batch)
    record = records(batch)[0]
    row = {name: record[name].item() for name in record.dtype.names if record[name].shape == ()}
    return row | {"endpoint": endpoints.name(row["endpoint"]), "hash": words.hash}


def stable(path: str = "/api/orders/7", status: int = 200, **more: Any) -> dict[str, Any]:
    return {"http.request.method": "GET", "url.path": path, "http.response.status_code": status, "user_agent.original": "curl/8"} | {
        key.replace("__", "."): item for key, item in more.items()
    }


def old(target: str = "/api/orders/7?page=2", status: int = 200, **more: Any) -> dict[str, Any]:
    return {"http.method": "GET", "http.target": target, "http.status_code": status, "http.user_agent": "curl/8"} | {
        key.replace("__", "."): item for key, item in more.items()
    }


ORDER, NONE = "shop GET /api/orders/{id}", "shop GET (unmatched)"
ENVOY = {
    "component": "proxy", "http.method": "GET", "http.url": "http://shop:10000/api/orders/7?page=2", "http.status_code": "200",
    "request_size": "41", "response_size": "7", "user_agent": "curl/8", "response_flags": "-", "peer.address": CLIENT,
    "guid:x-request-id": "a", "upstream_cluster": "shop",
}  # fmt: skip
GRPC_NEW = {"rpc.system.name": "grpc", "rpc.method": "shop.v1.Shop/Me", "rpc.response.status_code": "OK"}
GRPC_OLD = {"rpc.system": "grpc", "rpc.service": "shop.v1.Shop", "rpc.method": "Me", "rpc.grpc.status_code": 0}
ME = "shop POST /shop.v1.Shop/Me"

STACKS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    # attributes, span name, scope, endpoint
    "Java agent": (stable(http__route="/api/orders/{id}", client__address=CLIENT), "GET /api/orders/{id}", "", ORDER),
    "Java agent, 404": (stable("/no/such", 404, http__route="/**"), "GET /**", "", NONE),
    "otelhttp": (stable(), "GET /api/orders/{id}", OTELHTTP, ORDER),
    "otelhttp, 404": (stable("/no/such", 404), "GET", OTELHTTP, NONE),
    "otelgin": (stable(http__route="/api/orders/:id"), "GET /api/orders/:id", "", ORDER),
    "otelgin, 404": (stable("/no/such", 404, http__route=""), "GET", "", NONE),
    "otelgrpc": (GRPC_NEW, "shop.v1.Shop/Me", "", ME),
    "express": (stable(http__route="/api/orders/:id"), "GET /api/orders/:id", "", ORDER),
    "express, 404 in a router": (stable("/api/no/such", 404, http__route="/api"), "GET /api", "", NONE),
    "fastify, default set": (stable(), "GET", "", ORDER),
    "fastify": (stable(http__route="/api/orders/:id"), "GET /api/orders/:id", "", ORDER),
    "Django": (old(http__route=r"api/orders/(?P<id>\d+)$"), r"GET api/orders/(?P<id>\d+)$", "", ORDER),
    "Django, converter": (old(http__route="api/orders/<int:id>"), "GET api/orders/<int:id>", "", ORDER),
    "Django, 404": (old("/no/such", 404), "GET", "", NONE),
    "Django, opted in": (stable(http__route="api/orders/<int:id>", client__address=CLIENT, client__port=5), "", "", ORDER),
    "aiohttp": (old(http__route="/api/orders/{id}", http__url="http://shop/api/orders/7?page=2"), "GET /api/orders/{id}", "", ORDER),
    "aiohttp, 404": (old("/no/such", 404, http__route=""), "GET", "", NONE),
    "Python grpc": (GRPC_OLD | {"net.peer.ip": CLIENT, "net.peer.port": "51000", "rpc.user_agent": "curl/8"}, "/shop.v1.Shop/Me", "", ME),
    "Envoy": (ENVOY, "ingress", "", ORDER),
    "Istio": (ENVOY | {"istio.canonical_service": "shop", "istio.mesh_id": "m"}, "shop.default.svc:80/*", "", ORDER),
    "Traefik": (stable(client__address=CLIENT, url__query="page=2"), "GET", "", ORDER),
    "Kong": (old(http__route="/api/orders/{id}", http__client_ip=CLIENT), "kong", "", ORDER),
    "a route with a trailing slash": (stable("/api/orders/7/", http__route="/api/orders/{id}/"), "", "", ORDER),
    "GraphQL": (stable("/graphql") | {"http.request.method": "POST", "http.route": "/graphql"}, "POST /graphql", "", "shop POST /graphql"),
}


@pytest.mark.parametrize("stack", STACKS)
def test_the_same_request_has_the_same_endpoint_whatever_the_stack(stack: str) -> None:
    of, name, scope, endpoint = STACKS[stack]
    row = columns(of, name=name, scope=scope)
    assert (row["request"], row["endpoint"]) == (1, endpoint)
    known = row["hash"]
    assert row["user_agent"] == (known("curl/8") if "curl/8" in of.values() else 0)
    assert row["status"] == (404 if "404" in stack else 200)
    assert row["query"] == (known("page=2") if "page=2" in str(of) else 0)
    assert bool(row["client"]) == (CLIENT in of.values())


NAMES: list[tuple[str, Any, str, Any]] = [
    # attribute, its value, column, what it holds (text: its id)
    *[(key, "PUT", "method", "PUT") for key in ("http.request.method", "http.method")],
    *[(key, "/a/b", "path", "/a/b") for key in ("url.path", "http.path")],
    ("http.target", "/a/b?c=1", "path", "/a/b"),
    *[(key, "http://h:8/a/b?c=1", "path", "/a/b") for key in ("url.full", "http.url")],
    *[(key, "http://h:8/a/b?c=1", "query", "c=1") for key in ("url.full", "http.url", "http.target")],
    *[(key, "http://h:8/a/b?c=1", "host", "h") for key in ("url.full", "http.url")],
    *[(key, "https://h:8/a", "scheme", "https") for key in ("url.full", "http.url")],
    *[(key, "h:8", "host", "h") for key in ("server.address", "http.host", "net.host.name", "http.server_name")],
    *[(key, "https", "scheme", "https") for key in ("url.scheme", "http.scheme")],
    *[(key, "x", "user_agent", "x") for key in ("user_agent.original", "http.user_agent", "user_agent", "rpc.user_agent")],
    ("http.request.header.user_agent", ["x"], "user_agent", "x"),
    *[(key, value, "status", 403.0) for key in ("http.response.status_code", "http.status_code") for value in (403, "403")],
    *[(key, value, "status", 403.0) for key in ("rpc.response.status_code", "rpc.status_code") for value in ("PERMISSION_DENIED", "7")],
    *[(key, 7, "status", 403.0) for key in ("rpc.grpc.status_code", "grpc.status_code")],
    *[(key, "41", "request_size", 41.0) for key in ("http.request.body.size", "http.request_content_length", "request_size")],
    *[(key, 41, "response_size", 41.0) for key in ("http.response.body.size", "http.response_content_length", "http.response.size")],
    ("http.request.header.content_length", ["41"], "request_size", 41.0),
    ("http.request_content_length_uncompressed", 41, "request_size", 41.0),
    ("http.response_content_length_uncompressed", 41, "response_size", 41.0),
    ("user.roles", ["admin", "user"], "role", "admin"),
    ("enduser.role", "admin", "role", "admin"),
    ("error.type", "timeout", "error_type", "timeout"),
]


@pytest.mark.parametrize(("key", "value", "column", "held"), NAMES)
def test_every_name_of_an_attribute_gives_its_column(key: str, value: Any, column: str, held: Any) -> None:
    row = columns({key: value})
    assert row[column] == (row["hash"](held) if isinstance(held, str) else held)


@pytest.mark.parametrize(
    "key", ["client.address", "http.client_ip", "network.peer.address", "net.sock.peer.addr", "net.peer.ip", "peer.address"]
)
def test_every_name_of_a_caller_gives_the_client(key: str) -> None:
    assert columns({"http.method": "GET", key: CLIENT})["client"] == columns({"http.method": "GET", "client.address": CLIENT})["client"]


def test_graphql_children_name_nothing() -> None:
    """A child may come in another batch than its request; what a batch holds must not matter."""
    words = _native.Vocabulary(semconv.vocabulary_json(), bytes(range(16)))
    child = span(2, {"graphql.operation.name": "Order", "graphql.operation.type": "query"}, kind=1, name="query Order")
    assert len(records(_native.decode([request(span(1, STACKS["GraphQL"][0]), child)], words))) == 1
