"""Records what stock instrumentation says of one list of calls, for the tests of how spans are understood.

    python tests/e2e/zoo/record.py all | STACK...

Each stack is built from its committed manifests (cached under .cache/ by their hash), started on loopback, sent the calls of
tests/data/zoo/calls.json, and its spans written as tests/data/zoo/STACK.otlp.jsonl.gz, one line a request as it
came. Nothing is taken out or changed.
"""

import base64
import gzip
import json
import os
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

ZOO = Path(__file__).resolve().parent
sys.path[:0] = [str(ZOO.parent), str(ZOO)]

import grpc  # noqa: E402
from envoy import configuration  # noqa: E402
from folders import go_folder, java_folder, node_folder, python_folder  # noqa: E402
from google.protobuf.json_format import MessageToDict  # noqa: E402
from helpers import Process, free_port, listens, until  # noqa: E402
from opentelemetry.proto.trace.v1.trace_pb2 import Span  # noqa: E402
from parts.build import CACHE, PartMissing  # noqa: E402
from parts.sinks import HttpSink  # noqa: E402
from parts.spans import KINDS  # noqa: E402

DATA = ZOO.parents[1] / "data" / "zoo"
CALLS = json.loads((DATA / "calls.json").read_text())
SECONDS_TO_START = 120
"""A Java agent weaves itself into every class that is loaded."""
HEADERS = "authorization,x-forwarded-for"
SETTINGS = {
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_BSP_SCHEDULE_DELAY": "200",
    "OTEL_NODE_RESOURCE_DETECTORS": "env",
    "OTEL_JAVA_DISABLED_RESOURCE_PROVIDERS": ",".join(
        f"io.opentelemetry.instrumentation.resources.{of}ResourceProvider"
        for of in ("Host", "HostId", "Os", "Process", "ProcessRuntime", "Container")
    ),
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST": HEADERS,
    "OTEL_INSTRUMENTATION_HTTP_SERVER_CAPTURE_REQUEST_HEADERS": HEADERS,
}


@dataclass(frozen=True)
class Started:
    """One program of a stack: what runs it, given its port and what it was told of others."""

    command: list[str]
    folder: Path
    settings: dict[str, str]


def python(script: str, **settings: str) -> Callable[..., Started]:
    """A Python shop under `opentelemetry-instrument`."""

    def made(port: int, *more: str) -> Started:
        folder = python_folder()
        binaries = folder / "venv" / "bin"
        return Started(
            [str(binaries / "opentelemetry-instrument"), str(binaries / "python"), f"{script}.py", str(port), *more], folder, settings
        )

    return made


def node(script: str) -> Callable[..., Started]:
    """A Node shop under the auto-instrumentations."""

    def made(port: int, *more: str) -> Started:
        return Started(
            ["node", "--require", "@opentelemetry/auto-instrumentations-node/register", f"{script}.js", str(port), *more], node_folder(), {}
        )

    return made


def go(program: str) -> Callable[..., Started]:
    """A Go shop, instrumented in its sources."""

    def made(port: int, *more: str) -> Started:
        return Started([str(go_folder() / program), str(port), *more], go_folder(), {})

    return made


def java(jar: str) -> Callable[..., Started]:
    """A Java shop under the agent."""

    def made(port: int, *more: str) -> Started:
        return Started(["java", "-javaagent:agent.jar", "-jar", f"{jar}.jar", str(port), *more], java_folder() / "target", {})

    return made


def _envoy(upstream: int, sink: int, logs: Path) -> Callable[..., Started]:
    """Envoy, from its wheel, in front of a port."""

    def made(port: int) -> Started:
        file = logs / "envoy.json"
        file.write_text(configuration(port, upstream, sink))
        command = [*sorted(map(str, python_folder().glob("venv/lib/*/site-packages/envoy/_bin/envoy"))), "--use-dynamic-base-id"]
        return Started([*command, "--concurrency", "1", "-c", str(file)], logs, {})

    return made


STABLE = {"OTEL_SEMCONV_STABILITY_OPT_IN": "http"}
DJANGO = {"DJANGO_SETTINGS_MODULE": "django_shop"}
GRPC = ("grpc", "go_grpc")
STACKS: dict[str, Callable[..., Started]] = {
    "flask": python("flask_shop"),
    "flask_stable": python("flask_shop", **STABLE),
    "fastapi": python("fastapi_shop"),
    "fastapi_stable": python("fastapi_shop", **STABLE),
    "django": python("django_shop", **DJANGO),
    "django_stable": python("django_shop", **DJANGO, **STABLE),
    "grpc": python("grpc_shop"),
    "express": node("express_shop"),
    "fastify": node("fastify_shop"),
    "go_http": go("http"),
    "go_grpc": go("grpc"),
    "java": java("shop"),
    "chain": python("flask_shop"),
    "gateway": python("flask_shop"),
    "gateway_chain": python("flask_shop"),
}


def record(stack: str) -> Path:
    """Drives one stack and writes its recording."""
    with ExitStack() as running, HttpSink() as sink:
        logs = Path(running.enter_context(tempfile.TemporaryDirectory()))
        port = _start(running, stack, STACKS[stack], sink, logs)
        expected = len(CALLS)
        if stack in ("chain", "gateway_chain"):
            port = _start(running, "front", python("flask_shop"), sink, logs, f"http://127.0.0.1:{port}")
            expected += sum(call["path"].startswith("/api/orders/") for call in CALLS)
        if stack.startswith("gateway"):
            port = _start(running, "gateway", _envoy(port, sink.port, logs), sink, logs)
            expected += len(CALLS)
        ask = _ask_grpc if stack in GRPC else _ask
        asked = [ask(port, call) for call in CALLS]
        if stack in GRPC:
            expected = sum(asked)
        until(lambda: _servers(sink) >= expected, f"{expected} SERVER spans of {stack}")
        return _write(stack, sink.bodies())


def _start(running: ExitStack, name: str, make: Callable[..., Started], sink: HttpSink, logs: Path, *more: str) -> int:
    port = free_port()
    start = make(port, *more)
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, "OTEL_SERVICE_NAME": "shop" if name != "front" else "front"}
    process = Process(
        name, start.command, log=logs / name, ready=lambda: listens(port), env=SETTINGS | told | start.settings, cwd=start.folder
    )
    running.callback(process.stop)
    process.start(SECONDS_TO_START)
    return port


def _ask(port: int, call: dict[str, object]) -> int:
    headers = {"User-Agent": str(call["agent"]), "X-Forwarded-For": str(call["client"]), "Content-Type": "application/json"}
    if "user" in call:
        headers["Authorization"] = f"Bearer token-of-{call['user']}"
    body = json.dumps(call["body"]).encode() if "body" in call else None
    request = urllib.request.Request(f"http://127.0.0.1:{port}{call['path']}", body, headers, method=str(call["method"]))
    try:
        status = urllib.request.urlopen(request, timeout=10).status
    except urllib.error.HTTPError as refused:
        status = refused.code
    assert status == call["status"], f"{call}: {status}"
    return status


METHODS = {"health": "Health", "login": "Login", "me": "Me", "orders": "Order", "users": "User", "search": "Search"}


def _ask_grpc(port: int, call: dict[str, object]) -> int:
    """The method that matches a path, with the same words; 0 where there is none (unknown methods give no span)."""
    words = str(call["path"]).partition("?")[0].strip("/").removeprefix("api/").split("/")
    method = METHODS.get(words[0])
    if method is None:
        return 0
    body = call.get("body") or {"id": int(words[1])} if words[0] == "orders" else call.get("body") or {"name": words[-1], "q": "red shoes"}
    metadata = [("x-forwarded-for", str(call["client"]))]
    if "user" in call:
        metadata.append(("authorization", f"Bearer token-of-{call['user']}"))
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.primary_user_agent", call["agent"])]) as channel:
        ask = channel.unary_unary(f"/shop.v1.Shop/{method}", lambda asked: json.dumps(asked).encode(), json.loads)
        try:
            ask(body, timeout=10, metadata=metadata)
        except grpc.RpcError as refused:
            assert call["status"] == 401 and refused.code() == grpc.StatusCode.UNAUTHENTICATED, refused
    return 1


def _servers(sink: HttpSink) -> int:
    return sum(
        span.kind == Span.SPAN_KIND_SERVER
        for request in _requests(sink.bodies())
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    )


def _requests(bodies: list[bytes]) -> Iterator[object]:
    return (KINDS["traces"][1].FromString(body) for body in bodies)


def _write(stack: str, bodies: list[bytes]) -> Path:
    lines = [json.dumps(_hex(MessageToDict(request, use_integers_for_enums=True)), separators=(",", ":")) for request in _requests(bodies)]
    text = "".join(f"{line}\n" for line in lines)
    told = [word for word in (str(Path.home()), str(CACHE.parent), os.uname().nodename) if len(word) > 4 and word in text]
    assert not told, (
        f"{stack}: the recording names this machine ({told}): {text[max(0, text.index(told[0]) - 200) : text.index(told[0]) + 80]}"
    )
    file = DATA / f"{stack}.otlp.jsonl.gz"
    file.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    return file


def _hex(of: object) -> object:
    """OTLP/JSON writes ids in hex, protobuf's JSON in base64."""
    if isinstance(of, list):
        return [_hex(each) for each in of]
    if not isinstance(of, dict):
        return of
    return {key: _id(value) if key in ("traceId", "spanId", "parentSpanId") else _hex(value) for key, value in of.items()}


def _id(text: str) -> str:
    return base64.b64decode(text).hex()


def main(asked: list[str]) -> int:
    """Records what is named and prints where it is; 1 when something is missing to do so."""
    stacks = list(STACKS) if asked == ["all"] else asked
    if not stacks or set(stacks) - set(STACKS):
        print(f"record.py all | {' | '.join(STACKS)}", file=sys.stderr)
        return 1
    try:
        for stack in stacks:
            print(record(stack))
    except PartMissing as missing:
        print(missing, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
