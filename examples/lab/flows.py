"""What one request makes the services do: the spans of an operation with an outcome, laid out and prepared as bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from examples.lab.servers import STACKS, Varying, envoy, server
from examples.lab.spans import INTERNAL, SERVER, Piece, Toolbox, exception
from examples.lab.wire import event, rest, scope

GAPS: Final = ("{}", "{n}", "{user}")
PYTHON_FLAGS, OTHER_FLAGS = 256, 257
BUSY: Final = 0.94
"""Part of a span that what lies below it fills."""


@dataclass(frozen=True)
class Service:
    """A service of a place; its releases come with deploys."""

    name: str
    stack: str
    database: str = ""

    @property
    def tools(self) -> Toolbox:
        """How its instrumentation names what is below a request."""
        return Toolbox(self.database or self.name, self.stack)


@dataclass(frozen=True, eq=False)
class Operation:
    """One endpoint: what is done for it when all goes well."""

    method: str
    route: str
    """As the stack writes it."""
    service: Service
    inner: tuple[Piece, ...] = ()
    took: float = 0.03
    """Seconds, the median."""
    size: int = 900
    """Bytes of the answer, the median."""
    open: bool = False
    """Asked without a credential."""
    number: int = 0
    """Which of its place's."""
    path: str = ""
    """The route with `%s` where its variables stand."""


@dataclass(frozen=True)
class Change:
    """How an attack's trace differs from that of an honest request."""

    without: frozenset[str] = frozenset()
    """Words of spans that are not there."""
    instead: Mapping[str, Piece] = field(default_factory=dict)
    """By word: what stands in the place of the first such span."""
    extra: tuple[Piece, ...] = ()
    """What is done besides."""
    gateway: bool = True
    scheme: str = ""
    """Of the URL, where it is not the usual one."""
    despite: bool = False
    """The work is done although the request is refused."""


AS_USUAL: Final = Change()


@dataclass(slots=True, eq=False)
class Part:
    """One span of a flow: all of it but ids, times and what each call says."""

    service: int
    scope: bytes
    above: int
    """Position of its parent; -1 of the first."""
    begins: float
    ends: float
    """Shares of the request's time."""
    rest: bytes
    vary: Varying | None
    gaps: tuple[tuple[str, str], ...]
    """Attributes whose text the call fills, see Piece."""
    events: tuple[tuple[float, bytes], ...]


@dataclass(slots=True, eq=False)
class Flow:
    """The spans of a request, parents first."""

    parts: list[Part]
    entry: int
    """Position of the span of the service that answers."""


class Layout:
    """Lays the spans of a flow out in time and prepares their bytes."""

    def __init__(self, services: Sequence[Service], host: str) -> None:
        self._services = {each.name: (number, each) for number, each in enumerate(services)}
        self._gateway = next((each for each in services if each.stack == "envoy"), None)
        self._host = host

    def flow(self, operation: Operation, status: int, auth: Piece | None, release: int, change: Change = AS_USUAL) -> Flow:
        """The flow of an outcome."""
        stack = operation.service.stack
        inner = [*self._inner(operation, status, auth, release, change), *change.extra]
        if stack == "fastapi":
            inner += [_send(operation), _send(operation)]
        elif stack == "node" and operation.route:
            inner.insert(0, _handler(operation))
        handler = Piece("", "", SERVER, {}, below=tuple(inner), service=operation.service.name)
        parts: list[Part] = []
        above, begins, ends = -1, 0.0, 1.0
        if self._gateway is not None and change.gateway:
            parts.append(self._gateway_part(operation, status))
            above, begins, ends = 0, 0.03, 0.97
        entry = len(parts)
        parts.append(self._entry(operation, status, above, begins, ends, change))
        self._add(parts, handler.below, entry, begins, ends, operation.service)
        return Flow(parts, entry)

    def _inner(self, operation: Operation, status: int, auth: Piece | None, release: int, change: Change) -> Iterable[Piece]:
        """What lies below the request's span: as far as the outcome lets it go."""
        pieces = [] if auth is None or operation.open else [auth]
        work = list(operation.inner)
        if status < 400 or status >= 500 or change.despite:
            pieces += work
        elif status in (403, 404, 409) or operation.open and status in (401, 423):
            pieces += work[:1]
        instead = dict(change.instead)
        for piece in pieces:
            if piece.word not in change.without:
                yield _released(instead.pop(piece.word, piece), operation.number, release)

    def _gateway_part(self, operation: Operation, status: int) -> Part:
        gateway = self._gateway
        assert gateway is not None
        name, told = server("envoy", operation.method, "", status, cluster=operation.service.name)
        error = "" if status >= 500 else None
        number = self._services[gateway.name][0]
        return Part(number, scope("envoy", ""), -1, 0.0, 1.0, rest(name, SERVER, 257, told, error), envoy(self._host), (), ())

    def _entry(self, operation: Operation, status: int, above: int, begins: float, ends: float, change: Change) -> Part:
        service = operation.service
        stack = STACKS[service.stack]
        name, told = server(service.stack, operation.method, operation.route, status, host=self._host)
        if change.scheme:
            told["url.scheme"] = change.scheme
        events = (event(*exception("RuntimeError", "upstream timed out")),) if status >= 500 else ()
        error = "" if status >= 500 else None
        number = self._services[service.name][0]
        scoped = scope(stack.scope, stack.version)
        return Part(number, scoped, above, begins, ends, rest(name, SERVER, stack.flags, told, error), stack.vary, (), events)

    def _add(self, parts: list[Part], pieces: Sequence[Piece], above: int, begins: float, ends: float, service: Service) -> None:
        width = (ends - begins) * BUSY / max(1, len(pieces))
        at = begins + (ends - begins) * (1 - BUSY) / 2
        for piece in pieces:
            number, own = self._services[piece.service or service.name]
            gaps = tuple((key, value) for key, value in piece.told.items() if isinstance(value, str) and any(gap in value for gap in GAPS))
            told = {key: value for key, value in piece.told.items() if key not in dict(gaps)}
            flags = PYTHON_FLAGS if STACKS[own.stack].language == "python" else OTHER_FLAGS
            events = tuple(event(*each) for each in piece.events)
            prepared = rest(piece.name, piece.kind, flags, told, piece.error)
            parts.append(Part(number, _scope(piece), above, at, at + width * 0.92, prepared, None, gaps, events))
            self._add(parts, piece.below, len(parts) - 1, at, at + width * 0.92, own)
            at += width


def _scope(piece: Piece) -> bytes:
    return scope(piece.scope, "0.66b1" if piece.scope.startswith("opentelemetry.") else "2.33.1")


def _handler(operation: Operation) -> Piece:
    told = {"http.route": operation.route, "express.name": operation.route, "express.type": "request_handler"}
    return Piece("@opentelemetry/instrumentation-express", f"request handler - {operation.route}", INTERNAL, told)


def _send(operation: Operation) -> Piece:
    name = f"{operation.method} {operation.route} http send" if operation.route else f"{operation.method} http send"
    return Piece("opentelemetry.instrumentation.fastapi", name, INTERNAL, {"asgi.event.type": "http.response.body"})


def _released(piece: Piece, number: int, release: int) -> Piece:
    """A query after so many releases: each one that touched the operation reads a column more."""
    statement = str(piece.told.get("db.statement", ""))
    touched = [each for each in range(1, release + 1) if (each * 7 + number) % 11 == 0]
    if not touched or not statement.startswith("SELECT ") or piece.word != "db":
        return piece
    columns = "".join(f", feature_{each}" for each in touched)
    return replace(piece, told={**piece.told, "db.statement": statement.replace(" FROM ", columns + " FROM ", 1)})


def inner_server(service: Service, method: str, path: str, status: int = 200, below: tuple[Piece, ...] = (), user: bool = False) -> Piece:
    """The SERVER span of a service that another one calls; with `user`, it tells who it works for."""
    stack = STACKS[service.stack]
    name, told = server(service.stack, method, path.replace("{n}", "{id}"), status, host=service.name)
    told |= {"url.path": path, "client.address": "10.0.3.7"} | ({"enduser.id": "{user}"} if user else {})
    return Piece(stack.scope, name, SERVER, told, below=below, service=service.name)


def call_to(
    caller: Service, called: Service, method: str, path: str, below: tuple[Piece, ...] = (), status: int = 200, **how: str
) -> Piece:
    """A call to another service of the place, with its SERVER span."""
    answered = inner_server(called, method, path, status, below, user=bool(how.get("user")))
    return caller.tools.get(f"http://{called.name}:8080{path}", status, method, below=(answered,), word=how.get("word", "out"))
