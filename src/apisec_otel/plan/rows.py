"""What a row has: every column with its kind, where it comes from and an example. Annotating `row` with a class says which rows."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NoReturn, TypeVar, overload

from apisec_otel.plan.column import Column, Id, Logic, Number
from apisec_otel.plan.node import Graph, PlanError
from apisec_otel.plan.words import listed

CUSTOM: Final[dict[str, type[Column]]] = {"key": Id, "number": Number, "flag": Logic}
"""The face of a configured column of each kind."""

Face = TypeVar("Face", bound=Column, covariant=True)


class Declared(Generic[Face]):
    """A column of a row class: `Request.path` is this declaration, `row.path` the column."""

    def __init__(self, face: type[Face], doc: str, *, source: str, example: str = "") -> None:
        self.face: type[Face] = face
        self.doc, self.source, self.example = doc, source, example
        self.name = ""
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, row: None, owner: type[Request]) -> Declared[Face]: ...
    @overload
    def __get__(self, row: Request, owner: type[Request]) -> Face: ...
    def __get__(self, row: Request | None, owner: type[Request]) -> Declared[Face] | Face:
        if row is None:
            return self
        kind, name = self.face.kind, self.name
        if row.apart:  # the same column of other rows: what is remembered of it is not shared
            return self.face(row.graph, row.graph.add("column", kind=kind, name=name, rows=type(row).__name__))
        return self.face(row.graph, row.graph.add("column", kind=kind, name=name))


class Request:
    """An API request, as it arrives. Only what is said of these rows can be written on the span itself."""

    in_order: ClassVar[bool] = False
    """Whether rows come in the order of their time."""
    apart: ClassVar[bool] = False
    """Whether what is remembered of these rows is told apart from what is of requests as they arrive."""

    environment = Declared(Id, "Where the service runs.", source="deployment.environment.name, .environment", example="prod")
    service = Declared(Id, "Which service answered.", source="environment, service.namespace, service.name", example="shop")
    version = Declared(Id, "The service's version.", source="service.version", example="1.4")
    method = Declared(Id, "The request's method; POST for RPC.", source="http.request.method(_original), http.method", example="GET")
    scheme = Declared(Id, "The URL's scheme.", source="url.scheme, http.scheme", example="https")
    host = Declared(Id, "The host asked for, less its port.", source="server.address, http.host", example="api")
    path = Declared(Id, "The URL's path.", source="url.path, http.target, url.full, http.url", example="/orders/7")
    query = Declared(Id, "The URL's query.", source="url.query, http.target, url.full, http.url", example="page=2")
    route = Declared(Id, "The template that the path matched.", source="http.route, RPC, GraphQL, learned", example="/orders/{id}")
    endpoint = Declared(Id, "Service, method and route; else (unmatched).", source="service, method, route", example="shop GET /orders")
    object_id = Declared(Id, "The object asked for.", source="last template value, else query id or *_id", example="7")
    client = Declared(Id, "Where the request came from, after trusted proxies.", source="proxy walk", example="203.0.113.7")
    network = Declared(Id, "The client's /24 or /64.", source="client", example="203.0.113.0/24")
    user_agent = Declared(Id, "The client's program, as it says.", source="user_agent.original, http.user_agent", example="curl/8.5")
    credential = Declared(Id, "The credential shown; missing when the status is 401.", source="a hashed header")
    principal = Declared(Id, "Who asked.", source="user.id, enduser.id, credential")
    session = Declared(Id, "The session of the request.", source="session.id, principal, client with user agent")
    actor = Declared(Id, "The principal, else the session.", source="principal, session")
    role = Declared(Id, "The principal's role.", source="user.roles, enduser.role", example="admin")
    path_parent = Declared(Id, "The path less its last segment.", source="path", example="/orders")
    path_stem = Declared(Id, "The path less its extension.", source="path", example="/orders/7")
    query_shape = Declared(Id, "The path with its query's names and classes of values.", source="path, query", example="page=a")
    error_type = Declared(Id, "The kind of failure.", source="error.type", example="timeout")
    trace_id = Declared(Id, "The trace.", source="trace_id")
    span_id = Declared(Id, "The span.", source="span_id")

    status = Declared(Number, "The HTTP status; RPC codes are mapped.", source="http.response.status_code, http.status_code", example="403")
    duration = Declared(Number, "End less start, in seconds.", source="end - start", example="0.012")
    request_size = Declared(Number, "The request's body in bytes.", source="http.request.body.size, content-length", example="36")
    response_size = Declared(Number, "The response's body in bytes.", source="http.response.body.size, content-length", example="512")
    object_number = Declared(Number, "The number in the object's id, where there is just one.", source="object_id", example="7")
    payload_p = Declared(Number, "How likely a request is as unusual as this in what it says.", source="payloads", example="0.2")
    payload_score = Declared(Number, "How unusual it is in what it says, nats.", source="payloads", example="1.5")
    payload_usual = Declared(Number, "What 19 of 20 requests to the endpoint are under, nats.", source="payloads", example="3")
    time = Declared(Number, "Stream time, in seconds since 1970.", source="start, held to what was received")

    succeeded = Declared(Logic, "Status 200 to 399.", source="status")
    denied = Declared(Logic, "Status 401 or 403.", source="status")
    not_found = Declared(Logic, "Status 404 or 405.", source="status")
    failed = Declared(Logic, "Status 400 and up.", source="status")
    login = Declared(Logic, "A POST on a login route.", source="endpoints::login_routes")
    login_failed = Declared(Logic, "A login with a failing status.", source="endpoints::login_failed_status")
    authenticated = Declared(Logic, "The principal is known; never unknown.", source="principal")
    probe = Declared(Logic, "A health route.", source="endpoints::health_routes")
    asset = Declared(Logic, "A file that pages load.", source="endpoints::asset_extensions")
    automatic = Declared(Logic, "A path that clients ask for on their own.", source="endpoints::automatic_paths")
    nested = Declared(Logic, "The path lies three levels deep or more.", source="path")
    listed = Declared(Logic, "A path that only scanners ask for.", source="endpoints::scanner_paths")
    always = Declared(Logic, "True in every row.", source="")

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def custom(self, name: str) -> Any:
        """A column that configuration adds (`requests::columns`): an Id, a Number or a Logic, as it says there.

        PlanError for a name that is not configured.
        """
        kind = self.graph.custom.get(name)
        if kind is None:
            there = listed(sorted(self.graph.custom)) if self.graph.custom else "none"
            raise PlanError(f"row.custom({name!r}): no such column; `requests::columns` configures {there}.")
        face = CUSTOM[kind]
        return face(self.graph, self.graph.add("column", kind=face.kind, name=f"custom.{name}"))

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            names = [column.name for column in columns(type(self))]
            near = difflib.get_close_matches(name, names, n=1)
            meant = f" Did you mean {near[0]}?" if near else ""
            if isinstance(getattr(Item, name, None), Declared):
                meant = " Items have it: annotate `row: Item` for a row of each part of a request."
            raise AttributeError(f"row.{name}: no such column.{meant} ({len(names)} columns: apisec-otel components --columns)")


class Step(Request):
    """The same requests in the order of their time, each released once it is 6 s old; their spans have left by then."""

    in_order = True
    apart = True


class Item(Request):
    """One part of a request as it arrives: a segment of its path, a query parameter, a field of its body, a captured header or cookie.

    It has the columns of its request beside its own. A value is never told: it has an id, and what it looks like. A Signal is
    the request's, raised once whichever of its items raise it, in the words of the least likely. At most 64 items a request.
    """

    apart = True

    place = Declared(Id, "Where it stands: one of in_path to in_header.", source="path, query, attributes", example="query")
    name = Declared(Id, "What it is called there; segments are by number.", source="path, query, attributes", example="page")
    value = Declared(Id, "Its text as sent; equal texts are equal.", source="path, query, attributes")
    shape = Declared(Id, "The runs of its characters, decoded, the first 24.", source="value", example="Aa-9")
    classes = Declared(Id, "The set of its classes of characters, decoded.", source="value", example="letters and '")
    length = Declared(Number, "Its length as sent, in bytes.", source="value", example="12")
    marks = Declared(Number, "Kinds of punctuation, control characters and odd encodings in it.", source="value", example="2")
    syntax = Declared(Number, "How much it reads as SQL, markup, commands and the like, 0 to 16.", source="value", example="0")
    in_path = Declared(Logic, "A segment of the path.", source="path")
    in_query = Declared(Logic, "A query parameter.", source="query")
    in_body = Declared(Logic, "A field of a recorded body, or the body itself.", source="attributes")
    in_header = Declared(Logic, "A captured header, a cookie of one, or the user agent.", source="attributes")


KINDS: Final = ("Request", "Step", "Item")
"""Kinds of rows; each has a plan of its own."""
ITEMS_ONLY: Final = frozenset(name for name, value in vars(Item).items() if isinstance(value, Declared))
"""Columns that requests have not."""


def columns(row: type[Request] = Request) -> list[Declared[Column]]:
    """Every column of a row class, in the order of its declaration."""
    return [value for base in reversed(row.__mro__) for value in vars(base).values() if isinstance(value, Declared)]
