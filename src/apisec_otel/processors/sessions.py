"""Who called: principal, credential and session of each request."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from apisec_otel.component import Host, Processor, Size
from apisec_otel.processors.native import native


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """Gives each request its principal and its session."""

    needs: ClassVar[frozenset[str]] = frozenset({"request", "client"})
    provides: ClassVar[frozenset[str]] = frozenset({"credential", "principal", "session", "actor", "authenticated"})

    idle: timedelta = timedelta(minutes=30)
    """A session ends after this long without a request."""
    longest: timedelta = timedelta(hours=24)
    """A session ends after this long in any case."""
    principal: tuple[str, ...] = ("user.id", "enduser.id", "header:authorization", "header:x-api-key", "header:x-auth-token")
    """Who calls: attributes, then `header:NAME` (hashed); the first that is present wins."""
    session: tuple[str, ...] = ("session.id", "principal", "client")
    """What groups calls: attributes, and the words `principal` and `client`; the first that is present wins."""
    max_bytes: Size = 32 << 20
    """Most memory for sessions; past it the least useful are forgotten."""

    def __post_init__(self) -> None:
        """Refuses ladders that no session could climb."""
        if self.idle <= timedelta() or self.longest < self.idle:
            raise ValueError("idle must be greater than 0, and longest at least idle")
        if not self.session:
            raise ValueError("session names at least one source, as in [session.id, principal, client]")
        kinds = [each.startswith("header:") for each in self.principal]
        if kinds != sorted(kinds):
            raise ValueError("principal: attributes come before header:NAME")

    def vocabulary(self) -> dict[str, tuple[str, ...]]:
        """What it adds to the vocabulary."""
        return {"principal": self.principal, "session": self.session}

    def table_bytes(self) -> int:
        """Cap of the session table."""
        return self.max_bytes

    def build(self, host: Host) -> Processor:
        """The running step."""
        return native("Sessions", self, host)
