"""What spans of every stack are understood as: OTLP bytes in, columns out, through the native steps as the service builds them."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.otlp import SECOND, START, request, span

from apisec_otel import _native, semconv
from apisec_otel.processors.endpoints import Endpoints
from apisec_otel.processors.requests import Requests
from apisec_otel.processors.sessions import Sessions
from apisec_otel.spans.columns import records

DATA = Path(__file__).parents[2] / "data"
HASHES = ("service", "method", "scheme", "host", "path", "query", "route", "object_id", "user_agent", "credential", "principal", "role")
FLAGS = ("request", "succeeded", "denied", "not_found", "failed", "login", "login_failed", "authenticated", "probe", "late", "repeat")


class Understanding:
    """Decoder and the three row steps with a known secret."""

    def __init__(self, requests: Requests | None = None, endpoints: Endpoints | None = None, sessions: Sessions | None = None) -> None:
        requests, endpoints, sessions = requests or Requests(), endpoints or Endpoints(), sessions or Sessions()
        settings = semconv.VocabularySettings(**requests.vocabulary(), **sessions.vocabulary())
        self.asked = 0
        self.words = _native.Vocabulary(semconv.vocabulary_json(settings), bytes(range(16)))
        self.requests = _native.Requests(json.dumps(requests.for_native()), self.words)
        self.endpoints = _native.Endpoints(json.dumps(endpoints.for_native()), self.words)
        self.sessions = _native.Sessions(json.dumps(sessions.for_native()), self.words)

    def batch(self, *requests: bytes) -> Any:
        batch = _native.decode(list(requests), self.words)
        for step in (self.requests, self.endpoints, self.sessions):
            step.process(batch)
        return batch

    def rows(self, *requests: bytes) -> list[dict[str, Any]]:
        """The rows as dicts: ids as numbers, flags as -1, 0, 1, `endpoint` by name."""
        batch = self.batch(*requests)
        found = []
        for record in records(batch):
            row = {
                name: record[name].item()
                for name in (*HASHES, *FLAGS, "client", "network", "session", "environment", "status", "object_number")
            }
            found.append(row | {"endpoint": self.endpoints.name(int(record["endpoint"])) or "(unmatched)"})
        return found

    def row(self, of: Mapping[str, Any], *, name: str = "", scope: str = "", resource: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One span as one row."""
        self.asked += 1
        (row,) = self.rows(request(span(self.asked, of, name=name), resource=resource, scope=scope))
        return row

    def text(self, text: str) -> int:
        return self.words.hash(text)

    def address(self, text: str) -> int:
        return self.words.hash(ip_address(text).packed)


OLD = {
    "http.method": "GET",
    "http.target": "/orders/77?page=2",
    "http.route": "/orders/{id}",
    "http.status_code": 200,
    "http.scheme": "https",
    "http.host": "shop.example:8443",
    "net.peer.ip": "203.0.113.7",
    "http.user_agent": "curl/8",
}
STABLE = {
    "http.request.method": "GET",
    "url.path": "/orders/77",
    "url.query": "page=2",
    "http.route": "/orders/{id}",
    "http.response.status_code": 200,
    "url.scheme": "https",
    "server.address": "shop.example",
    "client.address": "203.0.113.7",
    "user_agent.original": "curl/8",
}
ENVOY = {
    "component": "proxy",
    "http.method": "GET",
    "http.url": "https://shop.example:8443/orders/77?page=2",
    "http.status_code": "200",
    "peer.address": "203.0.113.7",
    "user_agent": "curl/8",
    "request_size": "41",
    "response_size": "7",
    "response_flags": "-",
}
ASGI = OLD | {"http.target": "/orders/77", "http.url": "https://shop.example/orders/77?page=2"}
SAME = {"old": OLD, "stable": STABLE, "duplicate": OLD | STABLE, "duplicate, old last": STABLE | OLD, "old ASGI": ASGI}


@pytest.mark.parametrize("names", SAME)
def test_all_names_of_http_mean_the_same(names: str) -> None:
    known = Understanding()
    row = known.row(SAME[names])
    assert row == Understanding().row(STABLE)
    assert row["endpoint"] == "shop GET /orders/{id}"
    texts = {"method": "GET", "path": "/orders/77", "query": "page=2", "scheme": "https", "host": "shop.example", "object_id": "77"}
    assert {name: row[name] for name in texts} == {name: known.text(text) for name, text in texts.items()}
    assert (row["client"], row["network"]) == (known.address("203.0.113.7"), known.address("203.0.113.0"))
    assert (row["status"], row["succeeded"], row["failed"], row["denied"], row["login"]) == (200, 1, -1, -1, -1)


def test_envoy_has_its_own_names_and_text_for_numbers() -> None:
    """Its span has no route: the template comes from the look of the path."""
    known = Understanding()
    row, stable = known.row(ENVOY), Understanding().row(STABLE)
    differ = {name for name in row if row[name] != stable[name]}
    assert differ == set()
    assert row["endpoint"] == "shop GET /orders/{id}"
    record = records(known.batch(request(span(2, ENVOY))))[0]
    assert (record["request_size"], record["response_size"]) == (41, 7)


CAPTURED = [
    ("vampi_default", "vampi_newhttp"),
    ("vampi_default", "vampi_dup"),
    ("dvrestaurant_default", "dvrestaurant_newhttp"),
]


def captured(name: str) -> list[tuple[Any, ...]]:
    known = Understanding()
    with gzip.open(DATA / f"{name}.otlp.jsonl.gz") as lines:
        rows = known.rows(*(_native.transcode(line) for line in lines))
    rows = [row for row in rows if row["request"] == 1]
    sessions = list(dict.fromkeys(row["session"] for row in rows))
    assert rows
    told = ("endpoint", "object_id", "status", "login", "login_failed", "user_agent")
    return [(*(row[each] for each in told), sessions.index(row["session"])) for row in rows]


@pytest.mark.parametrize(("old", "other"), CAPTURED)
def test_one_application_recorded_under_each_setting_is_one(old: str, other: str) -> None:
    """Same endpoints, objects, outcomes and grouping into sessions, request by request; paths are decoded or not."""
    first, second = captured(old), captured(other)
    assert [row[0] for row in first] == [row[0] for row in second]
    assert first == second


def test_spans_that_are_no_calls_received() -> None:
    known = Understanding()
    assert known.row({"messaging.system": "kafka"})["request"] == -1
    kinds = [span(at, STABLE, kind=kind) for at, kind in enumerate((0, 1, 3, 4, 5), 1)]
    assert known.rows(request(*kinds)) == []


PROXIES = [
    # peer, X-Forwarded-For, client.address, what is meant
    ("198.51.100.9", "1.2.3.4", None, "198.51.100.9"),
    ("10.0.0.1", "1.2.3.4, 203.0.113.9, 10.0.0.2", None, "203.0.113.9"),
    ("10.0.0.1", "203.0.113.9", "6.6.6.6", "203.0.113.9"),
    ("10.0.0.1", "evil, 203.0.113.9", None, "203.0.113.9"),
    ("10.0.0.1", "203.0.113.9, unknown", None, "10.0.0.1"),
    ("10.0.0.1", "10.0.0.3, 10.0.0.2", None, "10.0.0.3"),
    ("10.0.0.1", "[2001:db8::1]:443", None, "2001:db8::1"),
    ("10.0.0.1", "203.0.113.9:51000", None, "203.0.113.9"),
    ("::ffff:10.0.0.1", "203.0.113.9", None, "203.0.113.9"),
    ("10.0.0.1", None, "203.0.113.9", "203.0.113.9"),
    ("10.0.0.1", None, None, "10.0.0.1"),
    (None, "1.2.3.4", "203.0.113.9", "203.0.113.9"),
    (None, "1.2.3.4", "10.0.0.1", "1.2.3.4"),
    (None, None, None, None),
]


@pytest.mark.parametrize(("peer", "forwarded", "claimed", "meant"), PROXIES)
@pytest.mark.parametrize("header", ["x-forwarded-for", "x_forwarded_for"])
def test_proxies_are_walked_from_the_right(
    peer: str | None, forwarded: str | None, claimed: str | None, meant: str | None, header: str
) -> None:
    known = Understanding(Requests(trusted_proxies=("10.0.0.0/8",)))
    told = {"network.peer.address": peer, f"http.request.header.{header}": [forwarded] if forwarded else None, "client.address": claimed}
    row = known.row({"http.request.method": "GET", **{key: value for key, value in told.items() if value}})
    assert row["client"] == (known.address(meant) if meant else 0)


def test_of_several_header_lines_the_nearest_proxy_wrote_the_last() -> None:
    known = Understanding()
    row = known.row({"http.method": "GET", "net.peer.ip": "10.0.0.1", "http.request.header.x_forwarded_for": ["6.6.6.6", "203.0.113.9"]})
    assert row["client"] == known.address("203.0.113.9")


def test_a_client_that_is_no_address_is_a_client_all_the_same() -> None:
    known = Understanding()
    row = known.row({"http.method": "GET", "client.address": "/tmp/unix.sock"})
    assert row["client"] == row["network"] == known.text("/tmp/unix.sock")


SAID_NOTHING = [*semconv.MISSING, "***", "*"]


@pytest.mark.parametrize("literal", SAID_NOTHING)
def test_what_redaction_leaves_is_missing(literal: str) -> None:
    """Else all users would be in one session."""
    known = Understanding()
    row = known.row(STABLE | {"user.id": literal, "session.id": literal, "http.request.header.authorization": [literal]})
    assert (row["principal"], row["credential"], row["authenticated"]) == (0, 0, -1)
    assert row["session"] == Understanding().row(STABLE)["session"]
    later = known.row(STABLE | {"enduser.id": "ann", "user.id": literal})
    assert later["principal"] == known.text("ann"), "the next source is asked"


IDENTITIES = [
    ({"user.id": "ann"}, "ann"),
    ({"enduser.id": "ann"}, "ann"),
    ({"enduser.id": "ann", "user.id": "bob"}, "bob"),
    ({"http.request.header.authorization": ["Bearer a"]}, "Bearer a"),
    ({"http.request.header.x-api-key": ["k"], "http.request.header.authorization": ["Bearer a"]}, "Bearer a"),
    ({"http.request.header.x_api_key": "k"}, "k"),
    ({"rpc.grpc.request.metadata.authorization": ["Bearer a"]}, "Bearer a"),
    ({"http.request.header.authorization": ["Bearer a"], "user.id": "ann"}, "ann"),
    ({"http.request.header.cookie": ["s=1"]}, None),
]


@pytest.mark.parametrize(("told", "who"), IDENTITIES)
def test_who_called(told: Mapping[str, Any], who: str | None) -> None:
    known = Understanding()
    row = known.row({"http.request.method": "GET", "http.response.status_code": 200, **told})
    assert row["principal"] == (known.text(who) if who else 0)
    assert row["authenticated"] == (1 if who else -1)


def test_a_credential_that_was_refused_is_nobody() -> None:
    known = Understanding()
    refused = known.row({"http.request.method": "GET", "http.response.status_code": 401, "http.request.header.authorization": ["Bearer a"]})
    assert (refused["principal"], refused["credential"], refused["authenticated"]) == (0, known.text("Bearer a"), -1)
    named = known.row({"http.request.method": "GET", "http.response.status_code": 401, "user.id": "ann"})
    assert named["principal"] == known.text("ann"), "the application says who it is"
    denied = known.row({"http.request.method": "GET", "http.response.status_code": 403, "http.request.header.authorization": ["Bearer a"]})
    assert denied["principal"] == known.text("Bearer a")


def test_a_secret_is_known_by_its_hash_and_leaves_overwritten() -> None:
    known = Understanding()
    batch = known.batch(
        request(span(1, STABLE | {"http.request.header.authorization": ["Bearer sesame"], "url.query": "token=abc&page=2"}))
    )
    (out,) = batch.encode()
    assert b"sesame" not in out
    assert b"token=***&page=2" in out
    assert records(batch)["credential"][0] == known.text("Bearer sesame")


RPC = {
    "new": ({"rpc.system.name": "grpc", "rpc.method": "shop.v1.Shop/Me", "rpc.response.status_code": "UNAUTHENTICATED"}, "shop.v1.Shop/Me"),
    "new, status as renamed": ({"rpc.system.name": "grpc", "rpc.method": "shop.v1.Shop/Me", "rpc.status_code": "UNAUTHENTICATED"}, ""),
    "old": ({"rpc.system": "grpc", "rpc.service": "shop.v1.Shop", "rpc.method": "Me", "rpc.grpc.status_code": 16}, "/shop.v1.Shop/Me"),
    "old, status as text": ({"rpc.system": "grpc", "rpc.service": "shop.v1.Shop", "rpc.method": "Me", "rpc.grpc.status_code": "16"}, ""),
    "both": ({"rpc.system": "grpc", "rpc.service": "shop.v1.Shop", "rpc.method": "shop.v1.Shop/Me", "rpc.grpc.status_code": 16}, ""),
    "slash first": ({"rpc.system.name": "grpc", "rpc.method": "/shop.v1.Shop/Me", "rpc.response.status_code": "16"}, ""),
}


@pytest.mark.parametrize("names", RPC)
def test_grpc_is_a_post_of_its_method(names: str) -> None:
    attributes, name = RPC[names]
    row = Understanding().row(attributes, name=name)
    assert row["endpoint"] == "shop POST /shop.v1.Shop/Me"
    assert (row["request"], row["status"], row["denied"], row["failed"], row["succeeded"], row["object_id"]) == (1, 401, 1, 1, -1, 0)


GRPC_STATUS = [
    (0, 200), ("OK", 200), (3, 400), ("NOT_FOUND", 404), (5, 404), (7, 403), ("PERMISSION_DENIED", 403), (8, 429), (12, 405),
    (13, 500), (2, 500), (14, 503), (4, 504), ("DEADLINE_EXCEEDED", 504), ("7", 403),
]  # fmt: skip


@pytest.mark.parametrize(("status", "http"), GRPC_STATUS)
def test_grpc_status_reads_as_http(status: int | str, http: int) -> None:
    attributes = {"rpc.system.name": "grpc", "rpc.method": "a.B/C", "rpc.response.status_code": status}
    assert Understanding().row(attributes)["status"] == http


@pytest.mark.parametrize(("status", "read"), [(404, 404), ("404", 404), (404.0, 404), ("", None), ("4xx", None), (True, None)])
def test_a_status_may_be_text(status: Any, read: float | None) -> None:
    row = Understanding().row({"http.method": "GET", "http.status_code": status})
    assert row["status"] == read if read else math.isnan(row["status"])
    assert (row["not_found"], row["failed"], row["succeeded"]) == ((1, 1, -1) if read else (0, 0, 0))


ROUTES = [
    # route, path, status, endpoint, object
    ("/api/orders/:id", "/api/orders/7", 200, "/api/orders/{id}", "7"),
    ("/api/orders/{id}", "/api/orders/7", 200, "/api/orders/{id}", "7"),
    ("api/users/<int:id>", "/api/users/7", 200, "/api/users/{id}", "7"),
    (r"api/orders/(?P<id>\d+)$", "/api/orders/7", 200, "/api/orders/{id}", "7"),
    (r"^api/orders/(?P<id>[^/]+)/items/$", "/api/orders/7/items/", 200, "/api/orders/{id}/items", "7"),
    ("/users/v1/<username>", "/users/v1/ann", 200, "/users/v1/{username}", "ann"),
    ("/{tenant}/orders/{id}", "/acme/orders/7", 200, "/{tenant}/orders/{id}", "7"),
    ("/**", "/no/such", 404, None, None),
    ("/*", "/no/such", 404, None, None),
    ("", "/no/such", 404, None, None),
    ("/api", "/api/no/such", 404, None, None),
    ("/api", "/api/admin", 403, None, None),
    ("/api", "/api", 404, "/api", None),
    ("/api/orders/:id", "/api/orders/7", 404, "/api/orders/{id}", "7"),
    (None, "/orders/7", 200, "/orders/{id}", "7"),
    (None, "/orders/7", 404, None, None),
    (None, "/v1/reports/2026-11-23", 200, "/v1/reports/{id}", "2026-11-23"),
    (None, "/orders/%37", 200, "/orders/{id}", "7"),
]


@pytest.mark.parametrize(("route", "path", "status", "template", "object_id"), ROUTES)
def test_every_framework_spells_routes_its_own_way(
    route: str | None, path: str, status: int, template: str | None, object_id: str | None
) -> None:
    known = Understanding()
    told = {"http.request.method": "GET", "url.path": path, "http.response.status_code": status, "http.route": route}
    row = known.row({key: value for key, value in told.items() if value is not None})
    assert row["endpoint"] == f"shop GET {template or '(unmatched)'}"
    assert row["route"] == (known.text(template) if template else 0)
    assert row["object_id"] == (known.text(object_id) if object_id else 0)


OTELHTTP = "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"


@pytest.mark.parametrize(
    ("scope", "name", "template"),
    [
        (OTELHTTP, "GET /api/orders/{id}", "/api/orders/{id}"),
        (OTELHTTP, "GET", "/api/orders/{id}"),
        ("opentelemetry.instrumentation.flask", "GET /api/orders/7", "/api/orders/{id}"),
    ],
)
def test_the_name_of_a_span_is_a_route_only_where_a_scope_says_so(scope: str, name: str, template: str) -> None:
    row = Understanding().row(
        {"http.request.method": "GET", "url.path": "/api/orders/7", "http.response.status_code": 200}, name=name, scope=scope
    )
    assert row["endpoint"] == f"shop GET {template}"


def test_a_raw_path_in_the_name_of_a_404_is_no_route() -> None:
    told = {"http.method": "GET", "http.target": "/does/not/exist", "http.status_code": 404}
    row = Understanding().row(told, name="GET /does/not/exist", scope="opentelemetry.instrumentation.flask")
    assert row["endpoint"] == "shop GET (unmatched)"


METHODS = [
    ({"http.request.method": "_OTHER", "http.request.method_original": "PURGE"}, "_OTHER"),
    ({"http.request.method": "_OTHER", "http.request.method_original": "GET"}, "GET"),
    ({"http.request.method": "GET", "http.request.method_original": "GeT"}, "GET"),
    ({"http.request.method": "QUERY"}, "QUERY"),
    ({"http.method": "BREW"}, "_OTHER"),
]


@pytest.mark.parametrize(("told", "method"), METHODS)
def test_callers_cannot_make_endpoints_out_of_methods(told: Mapping[str, Any], method: str) -> None:
    row = Understanding().row({**told, "http.route": "/orders", "http.response.status_code": 200})
    assert row["endpoint"] == f"shop {method} /orders"


LOGINS = [
    ("POST", "/login", 200, 1, -1),
    ("POST", "/api/v1/Login/", 401, 1, 1),
    ("POST", "/token", 400, 1, 1),
    ("POST", "/login", 503, 1, -1),
    ("POST", "/login", None, 1, 0),
    ("GET", "/login", 401, -1, -1),
    ("POST", "/logins-report", 401, -1, -1),
]


@pytest.mark.parametrize(("method", "route", "status", "login", "failed"), LOGINS)
def test_logins(method: str, route: str, status: int | None, login: int, failed: int) -> None:
    told = {"http.request.method": method, "url.path": route, "http.route": route, "http.response.status_code": status}
    row = Understanding().row({key: value for key, value in told.items() if value is not None})
    assert (row["login"], row["login_failed"]) == (login, failed)


def test_a_service_is_environment_namespace_and_name() -> None:
    known = Understanding()
    rows = [
        known.row(STABLE, resource={"service.name": "shop", **more})
        for more in (
            {},
            {"service.namespace": "eu"},
            {"deployment.environment.name": "prod"},
            {"deployment.environment": "prod"},
            {"deployment.environment": "staging"},
        )
    ]
    services, sessions = [row["service"] for row in rows], [row["session"] for row in rows]
    assert len(set(services)) == 4
    assert services[2] == services[3]
    assert len(set(sessions)) == 4, "staging and production share no session"
    assert known.row(STABLE, resource={})["endpoint"].startswith("unknown_service GET")


def test_query_parameters_name_objects_where_the_path_does_not() -> None:
    known = Understanding()
    told = {"http.request.method": "GET", "url.path": "/orders", "http.route": "/orders", "http.response.status_code": 200}
    assert known.row(told | {"url.query": "page=1&order_id=7"})["object_id"] == known.text("7")
    assert known.row(told | {"url.query": "?order_id=%37"})["object_id"] == known.text("7")
    assert known.row(told | {"url.query": "order_id=INV-0042"})["object_number"] == 42.0
    assert np.isnan(known.row(told | {"url.query": "order_id=a1b2"})["object_number"])
    assert known.row(told | {"url.query": "page=1"})["object_id"] == 0


def test_numbers_that_are_none_and_texts_that_are_no_utf8_are_no_fault() -> None:
    known = Understanding()
    raw = request(span(1, STABLE | {"url.path": "/orders/XX", "user.id": "YY", "http.response.status_code": 2**62}))
    (row,) = known.rows(raw.replace(b"/orders/XX", b"/orders/\xff\xfe").replace(b"YY", b"\xff\xff"))
    assert row["request"] == 1
    assert row["principal"] == known.words.hash(b"\xff\xff")
    assert row["object_id"] == known.words.hash(b"\xff\xfe")


def test_a_retry_is_a_repeat_and_other_spans_with_its_ids_are_not() -> None:
    known = Understanding()
    first, again = span(1, STABLE), span(1, STABLE)
    other = span(1, STABLE, at=1)
    zero = span(1, STABLE)
    zero.trace_id = bytes(16)
    rows = known.rows(request(first), request(again), request(other), request(zero, zero))
    assert [row["repeat"] for row in rows] == [-1, 1, -1, -1, -1]
    assert known.requests.counts()["repeated_ids"] == 1
    assert [bool(row["session"]) for row in rows] == [True, False, True, True, True]


def test_idle_sessions_end_and_long_ones_too() -> None:
    known = Understanding()
    at = [0, 1799, 3600, 3600 + 1801, *(6000 + 1500 * i for i in range(60))]
    sessions = [known.rows(request(span(1 + i, STABLE, at=second)))[0]["session"] for i, second in enumerate(at)]
    assert sessions[0] == sessions[1]
    assert len(set(sessions[:4])) == 3
    assert len(set(sessions[4:])) == 2, "after a day a session ends in any case"


def times(spans: Sequence[Any], received: int | None = None) -> Any:
    known = Understanding()
    batch = _native.decode([request(*spans)], known.words)
    known.requests.process(batch, received)
    return records(batch)


def test_times_are_held_to_what_was_received() -> None:
    received = START + 3600 * SECOND
    rows = times([span(1, STABLE, at=0), span(2, STABLE, at=3500), span(3, STABLE, at=9000), span(4, STABLE, at=-1e12 / 1e9)], received)
    assert ((rows["time"] - received) / SECOND).tolist() == [-600, -100, 5, -600]
    assert rows["late"].tolist() == [1, 0, 0, 1]
    assert np.all(np.diff(rows["stream"]) >= 0)
