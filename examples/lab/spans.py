"""Spans below a request's own, as stock instrumentation emits them: databases with placeholders, caches, calls to others, code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from examples.lab.wire import Value

INTERNAL, SERVER, CLIENT = 1, 2, 3
Event = tuple[float, str, Mapping[str, Value]]
"""Where in the span it stands (0 to 1), name, attributes."""


@dataclass(frozen=True)
class Piece:
    """One span of a flow, and those below it.

    Each call fills the gaps in texts: `{}` with what a careless service pastes, `{n}` with the object's number, `{user}` with who asks.
    """

    scope: str
    name: str
    kind: int
    told: Mapping[str, Value]
    below: tuple[Piece, ...] = ()
    service: str = ""
    """Who sends it, where that is not who sends the span above."""
    word: str = ""
    """Short name by which an attack leaves it out: auth, db, cache, out."""
    error: str | None = None
    events: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Toolbox:
    """What a service's instrumentation calls things."""

    database: str
    stack: str

    def sql(self, statement: str, table: str, *, error: tuple[str, str] | None = None) -> Piece:
        """A query; `error` is SQLSTATE and message."""
        verb = statement.split(maxsplit=1)[0]
        told: dict[str, Value] = {"db.system": "postgresql", "db.name": self.database, "db.statement": statement, "db.user": self.database}
        if self.stack == "java":
            more: dict[str, Value] = {
                "db.operation": verb,
                "db.sql.table": table,
                "server.address": "db",
                "thread.id": 42,
                "thread.name": "http-nio-8080-exec-4",
            }
            told |= {**more, "db.connection_string": "postgresql://db:5432"}
            scope, name = "io.opentelemetry.jdbc", f"{verb} {self.database}.{table}"
        elif self.stack == "node":
            told |= {"net.peer.name": "db", "net.peer.port": 5432, "db.connection_string": f"postgresql://db:5432/{self.database}"}
            scope, name = "@opentelemetry/instrumentation-pg", f"pg.query:{verb} {self.database}"
        else:
            told |= {"net.peer.name": "db", "net.peer.port": 5432, "db.operation": verb}
            scope, name = "opentelemetry.instrumentation.sqlalchemy", f"{verb} {self.database}"
        events: tuple[Event, ...] = ()
        if error:
            told["db.response.status_code"] = error[0]
            events = (exception("psycopg2.errors.SyntaxError" if self.stack == "fastapi" else "PSQLException", error[1]),)
        return Piece(scope, name, CLIENT, told, word="db", events=events, error=error[1] if error else None)

    def cache(self, command: str = "GET") -> Piece:
        """A look into Redis."""
        told: dict[str, Value] = {"db.system": "redis", "db.statement": f"{command} ?", "net.peer.name": "cache", "net.peer.port": 6379}
        scopes = {"node": "@opentelemetry/instrumentation-redis", "java": "io.opentelemetry.lettuce-5.1"}
        name = f"redis-{command}" if self.stack == "node" else command
        return Piece(scopes.get(self.stack, "opentelemetry.instrumentation.redis"), name, CLIENT, told, word="cache")

    def get(self, url: str, status: int = 200, method: str = "GET", below: tuple[Piece, ...] = (), word: str = "out") -> Piece:
        """A call to another service, or out."""
        parts = urlsplit(url)
        told: dict[str, Value] = {"http.request.method": method, "url.full": url, "http.response.status_code": status}
        told |= {"server.address": parts.hostname or "", "server.port": parts.port or (443 if parts.scheme == "https" else 80)}
        scopes = {"node": "@opentelemetry/instrumentation-undici", "java": "io.opentelemetry.java-http-client"}
        if self.stack == "node":
            told |= {"url.path": parts.path or "/", "url.query": "", "url.scheme": parts.scheme}
        error = "" if status >= 400 else None
        scope = scopes.get(self.stack, "opentelemetry.instrumentation.httpx")
        return Piece(scope, method, CLIENT, told, below=below, word=word, error=error)

    def code(self, name: str, below: tuple[Piece, ...] = (), told: Mapping[str, Value] | None = None, word: str = "") -> Piece:
        """A span that the application's own code makes."""
        return Piece("app", name, INTERNAL, told or {}, below=below, word=word)


def exception(kind: str, message: str) -> Event:
    """What a span tells of an exception."""
    trace = f"Traceback (most recent call last):\n  ...\n{kind}: {message}"
    return 0.9, "exception", {"exception.type": kind, "exception.message": message, "exception.stacktrace": trace}
