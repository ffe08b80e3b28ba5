"""Calls of which a gateway and the application behind it tell."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.otlp import call, request, span

EDGE, SHOP = {"service.name": "edge"}, {"service.name": "shop"}
AGENT = "shop-app/1.0"


def front(number: int, path: str, *, at: float = 0, status: int = 200, client: str = "203.0.113.7") -> Span:
    """What the gateway says: no route and nobody's name, but from where it was asked."""
    told = {
        "http.request.method": "GET",
        "url.path": path,
        "http.response.status_code": status,
        "client.address": client,
        "user_agent.original": AGENT,
    }
    return span(2 * number, told, at=at, took=0.02, trace=number)


def behind(number: int, path: str, *, at: float = 0, **more: Any) -> Span:
    """What the application behind it says: it saw a proxy's address only."""
    told = call(2 * number + 1, path, at=at + 0.001, client="10.0.0.5", **more)
    told.trace_id = number.to_bytes(16, "big")
    told.parent_span_id = (2 * number).to_bytes(8, "big")
    return told


def sent(told: Span) -> bytes:
    """A span as its service's exporter sends it."""
    return request(told, resource=SHOP if told.parent_span_id else EDGE)
