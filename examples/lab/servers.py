"""SERVER spans of four stacks with what they hold by default: the part that all requests of an endpoint share, and that which differs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from examples.lab.calls import Call, Caller
from examples.lab.wire import Value, attribute, block, text

Varying = Callable[[Call, bytes], bytes]
"""What a span says of one call, given the trace id, as attributes of a span."""


def _of_caller(caller: Caller, stack: str, make: Callable[[Caller], bytes]) -> bytes:
    told = caller.told.get(stack)
    if told is None:
        told = caller.told[stack] = make(caller)
    return told


def _header(name: str, value: str) -> bytes:
    return block(b"\x4a", attribute(f"http.request.header.{name}", (value,)))


def _envoy_caller(caller: Caller) -> bytes:
    return text("user_agent", caller.agent) + text("peer.address", caller.address)


def envoy(host: str) -> Varying:
    """Envoy's own names, the full URL in one attribute, numbers as texts, the socket's address."""
    base = f"https://{host}"

    def vary(call: Call, trace: bytes) -> bytes:
        known, digits = _of_caller(call.caller, "envoy", _envoy_caller), trace.hex()
        url = f"{base}{call.path}?{call.query}" if call.query else base + call.path
        guid = f"{digits[:8]}-{digits[8:12]}-9{digits[13:16]}-{digits[16:20]}-{digits[20:]}"
        return known + text("http.url", url) + text("response_size", str(call.size)) + text("guid:x-request-id", guid)

    return vary


def _common(caller: Caller) -> bytes:
    return text("client.address", caller.address) + text("user_agent.original", caller.agent)


def _node_caller(caller: Caller) -> bytes:
    return _common(caller) + (_header("authorization", caller.token) if caller.token else b"")


def node(call: Call, _: bytes) -> bytes:
    """Node's http instrumentation: raw path and query; the header, as its configuration names it."""
    query = text("url.query", call.query) if call.query else b""
    return _of_caller(call.caller, "node", _node_caller) + text("url.path", call.path) + query


def _java_caller(caller: Caller) -> bytes:
    known = text("enduser.id", caller.user) + text("enduser.role", caller.role) if caller.user else b""
    return _common(caller) + known + (_header("authorization", caller.token) if caller.token else b"")


def java(call: Call, _: bytes) -> bytes:
    """The Java agent, told to record the header, the user and the role."""
    query = text("url.query", call.query) if call.query else b""
    return _of_caller(call.caller, "java", _java_caller) + text("url.path", call.path) + query


def _fastapi_caller(caller: Caller) -> bytes:
    tenant = _header("x_tenant_id", caller.tenant) if caller.tenant else b""
    return _common(caller) + tenant + (_header("authorization", caller.token) if caller.token else b"")


def fastapi(call: Call, _: bytes) -> bytes:
    """FastAPI with stable names: the path decoded, the query raw, headers with underscores."""
    query = text("url.query", call.query) if call.query else b""
    path = unquote(call.path, errors="replace") if "%" in call.path else call.path
    return _of_caller(call.caller, "fastapi", _fastapi_caller) + text("url.path", path) + query


@dataclass(frozen=True)
class Stack:
    """How one kind of service tells of its requests."""

    scope: str
    version: str
    language: str
    flags: int
    vary: Varying | None
    """None where it depends on the place."""


STACKS: Final = {
    "envoy": Stack("envoy", "", "cpp", 257, None),
    "node": Stack("@opentelemetry/instrumentation-http", "0.221.0", "nodejs", 769, node),
    "java": Stack("io.opentelemetry.tomcat-10.0", "2.33.1-alpha", "java", 769, java),
    "fastapi": Stack("opentelemetry.instrumentation.fastapi", "0.66b1", "python", 768, fastapi),
    "go": Stack("go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp", "0.72.0", "go", 769, None),
}


def server(stack: str, method: str, route: str, status: int, cluster: str = "", host: str = "") -> tuple[str, dict[str, Value]]:
    """Name and shared attributes of a SERVER span; an empty route: nothing matched."""
    name = f"{method} {route}" if route else method
    if stack == "envoy":
        said = {"component": "proxy", "http.method": method, "http.protocol": "HTTP/1.1", "http.status_code": str(status)}
        upstream = {"upstream_cluster": cluster, "upstream_cluster.name": cluster, "downstream_cluster": "-", "node_id": "", "zone": ""}
        return "ingress", {**said, **upstream, "request_size": "0", "response_flags": "-"}
    told: dict[str, Value] = {"http.request.method": method, "url.scheme": "http", "server.address": host or "api", "server.port": 8080}
    told |= {"network.protocol.version": "1.1", "http.response.status_code": status}
    if stack == "java":
        told |= {"http.route": route or "/**", "thread.id": 51, "thread.name": "http-nio-8080-exec-7"}
        name = name if route else f"{method} /**"
    elif route and stack != "go":
        told["http.route"] = route
    if stack in ("java", "node", "go"):
        told |= {"network.peer.address": "10.0.3.7", "network.peer.port": 40112}
    if status >= 500:
        told["error.type"] = str(status)
    return name, told
