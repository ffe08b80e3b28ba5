"""One list of calls recorded on every stack (tests/e2e/zoo): whatever the stack, it is understood as the same requests."""

from __future__ import annotations

import gzip
import json
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from apisec_otel import _native, semconv
from apisec_otel.processors.endpoints import Endpoints
from apisec_otel.processors.requests import Requests
from apisec_otel.processors.sessions import Sessions
from apisec_otel.spans.columns import records

DATA = Path(__file__).parents[2] / "data" / "zoo"
CALLS: list[dict[str, Any]] = json.loads((DATA / "calls.json").read_text())


class Recorded:
    """The requests of one recording, in the order in which they began: exporters need not keep it."""

    def __init__(self, stack: str) -> None:
        settings = semconv.VocabularySettings(**Requests().vocabulary(), **Sessions().vocabulary())
        self.words = _native.Vocabulary(semconv.vocabulary_json(settings), bytes(range(16)))
        self.endpoints = _native.Endpoints(json.dumps(Endpoints().for_native()), self.words)
        with gzip.open(DATA / f"{stack}.otlp.jsonl.gz") as lines:
            batch = _native.decode([_native.transcode(line) for line in lines], self.words)
        trusting = Requests(trusted_proxies=(*Requests().trusted_proxies, GATEWAY_ADDRESS))
        requests = _native.Requests(json.dumps(trusting.for_native()), self.words)
        sessions = _native.Sessions(json.dumps(Sessions().for_native()), self.words)
        for step in (requests, self.endpoints, sessions):
            step.process(batch)
        self.rows = sorted((row for row in records(batch) if row["request"] == 1), key=lambda row: int(row["start"]))

    def told(self, column: str) -> list[Any]:
        return [row[column].item() for row in self.rows]

    def services(self) -> list[str]:
        return [self._name(row).split(" ")[0] for row in self.rows]

    def places(self) -> list[str]:
        """Endpoints without their service."""
        return [self._name(row).partition(" ")[2] for row in self.rows]

    def _name(self, row: Any) -> str:
        return self.endpoints.name(int(row["endpoint"]))

    def address(self, text: str) -> int:
        return int(self.words.hash(ip_address(text).packed))


HEADERS = ("flask", "flask_stable", "fastapi", "fastapi_stable", "django", "django_stable", "java")
"""Stacks that were told to capture the headers authorization and x-forwarded-for."""
STACKS = (*HEADERS, "express", "fastify")
ROUTELESS = ("go_http",)
"""Stacks that name no route where they are wrapped as a whole: their endpoints are learned,
and a path first met by a refusal is not yet one."""
GRPC = {"/health": "Health", "/api/login": "Login", "/api/me": "Me", "/api/orders": "Order", "/api/users": "User", "/api/search": "Search"}
GRPC_STACKS = ("grpc", "go_grpc")
"""grpcio's instrumentation tells the peer and its agent, otelgrpc neither: whoever calls, it is nobody."""
GATEWAY_ADDRESS = "192.0.2.2"
"""What Envoy put behind the caller in x-forwarded-for when it was recorded: its own address, for the caller came over loopback."""
GATEWAY, SECOND = "front", "shop"


@pytest.mark.parametrize("stack", STACKS)
def test_the_same_calls_are_the_same_requests_whatever_the_stack(stack: str) -> None:
    known = Recorded(stack)
    assert known.places() == [call["endpoint"] for call in CALLS]
    assert known.told("status") == [call["status"] for call in CALLS]
    assert known.told("method") == [known.words.hash(call["method"]) for call in CALLS]
    assert known.told("user_agent") == [known.words.hash(call["agent"]) for call in CALLS]


@pytest.mark.parametrize("stack", ROUTELESS)
def test_without_routes_all_but_the_endpoint_is_the_same(stack: str) -> None:
    known = Recorded(stack)
    assert known.told("status") == [call["status"] for call in CALLS]
    assert known.told("method") == [known.words.hash(call["method"]) for call in CALLS]
    assert known.told("user_agent") == [known.words.hash(call["agent"]) for call in CALLS]


@pytest.mark.parametrize("stack", [*STACKS, *ROUTELESS])
def test_callers_and_users_are_told_apart(stack: str) -> None:
    known = Recorded(stack)
    addresses = [known.address(call["client"]) for call in CALLS]
    assert known.told("client") == addresses
    users = [call.get("user") if stack in HEADERS else None for call in CALLS]
    ids = dict(zip(users, known.told("principal"), strict=True))
    assert known.told("principal") == [ids[user] for user in users]
    assert len(set(ids.values())) == len(ids)
    assert (ids[None], None in ids) == (0, True)
    groups = [user or address for user, address in zip(users, addresses, strict=True)]
    sessions = dict(zip(groups, known.told("session"), strict=True))
    assert known.told("session") == [sessions[group] for group in groups]
    assert len(set(sessions.values())) == len(sessions)


@pytest.mark.parametrize("stack", GRPC_STACKS)
def test_methods_of_grpc_are_endpoints_and_their_statuses_those_of_http(stack: str) -> None:
    known = Recorded(stack)
    calls = [(call, method) for call in CALLS for path, method in GRPC.items() if call["path"].startswith(path)]
    assert known.places() == [f"POST /shop.v1.Shop/{method}" for _, method in calls]
    assert known.told("status") == [call["status"] for call, _ in calls]
    assert set(known.told("principal")) == {0}, "the metadata is not captured"


@pytest.mark.parametrize(("stack", "client", "sessions"), [("grpc", "127.0.0.1", 4), ("go_grpc", None, 0)])
def test_grpc_tells_of_callers_what_the_stack_does(stack: str, client: str | None, sessions: int) -> None:
    known = Recorded(stack)
    assert set(known.told("client")) == {known.address(client) if client else 0}
    assert len(set(known.told("session")) - {0}) == sessions, "one for each agent of an address"


def test_a_chain_is_one_request_for_each_service_called() -> None:
    known = Recorded("chain")
    rows = list(zip(known.services(), known.places(), known.told("principal"), strict=True))
    front = [(place, principal) for service, place, principal in rows if service == GATEWAY]
    assert [place for place, _ in front] == [call["endpoint"] for call in CALLS]
    orders = sum(call["endpoint"] == "GET /api/orders/{id}" for call in CALLS)
    assert [row[1:] for row in rows if row[0] == SECOND] == [("GET /api/stock/{id}", 0)] * orders


@pytest.mark.parametrize(("stack", "service"), [("gateway", "shop"), ("gateway_chain", "front")])
def test_an_application_behind_a_gateway_is_understood_as_without_it(stack: str, service: str) -> None:
    known = Recorded(stack)
    told = zip(known.services(), known.places(), known.told("status"), known.told("client"), strict=True)
    calls = [(call["endpoint"], call["status"], known.address(call["client"])) for call in CALLS]
    assert [row[1:] for row in told if row[0] == service] == calls
