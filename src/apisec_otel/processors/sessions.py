"""Who called: principal, credential and session of each request."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

from apisec_otel.component import Host, Processor, Size
from apisec_otel.ladder import principal_ladder, session_ladder
from apisec_otel.processors.native import native_step, restored
from apisec_otel.spans.batch import SpanBatch


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """Gives each request its principal and its session."""

    needs: ClassVar[frozenset[str]] = frozenset({"request", "client"})
    provides: ClassVar[frozenset[str]] = frozenset({"credential", "principal", "session", "actor", "authenticated"})

    changes: ClassVar[dict[str, frozenset[str]]] = {
        "idle": frozenset({"session", "actor"}),
        "longest": frozenset({"session", "actor"}),
        "principal": frozenset({"principal", "credential", "authenticated", "actor", "session"}),
        "session": frozenset({"session", "actor"}),
    }

    idle: timedelta = timedelta(minutes=30)
    """A session ends after this long without a request."""
    longest: timedelta = timedelta(hours=24)
    """A session ends after this long in any case."""
    principal: tuple[str, ...] = ("user.id", "enduser.id", "header:authorization", "header:x-api-key", "header:x-auth-token")
    """Who calls: attributes, then `jwt:sub` (a claim of the bearer token, whose signature is not verified), then `header:NAME`
    and `cookie:NAME`; hashed. The first that is present wins."""
    session: tuple[str, ...] = ("session.id", "principal", "client")
    """What groups calls: attributes, `header:NAME`, `cookie:NAME`, and the words `principal` and `client` (address, or IPv6 /64,
    with user agent); the first that is present wins."""
    max_bytes: Size = 32 << 20
    """Most memory for sessions; past it the least useful are forgotten."""

    def __post_init__(self) -> None:
        """Refuses ladders that no session could climb."""
        if self.idle <= timedelta() or self.longest < self.idle:
            raise ValueError("idle must be greater than 0, and longest at least idle")
        if not self.session:
            raise ValueError("session names at least one source, as in [session.id, principal, client]")
        principal_ladder(self.principal)
        session_ladder(self.session)

    def vocabulary(self) -> dict[str, tuple[str, ...]]:
        """What it adds to the vocabulary."""
        return {"principal": self.principal, "session": self.session}

    def table_bytes(self) -> int:
        """Cap of the session table."""
        return self.max_bytes

    def for_native(self) -> dict[str, object]:
        """What the native step takes; attributes of the ladder are one source, the session's own id."""
        order = [each if each in ("principal", "client") else "session" for each in self.session]
        nanoseconds = {"idle": self.idle, "longest": self.longest}
        plain = {name: span // timedelta(microseconds=1) * 1000 for name, span in nanoseconds.items()}
        return {**plain, "order": list(dict.fromkeys(order)), "bytes": self.max_bytes}

    def build(self, host: Host) -> Processor:
        """The running step."""
        return Identifying(native_step("Sessions", self.for_native(), host), host)


class Identifying:
    """Finds out who asked and in which session."""

    def __init__(self, step: Any, host: Host) -> None:
        self._step = step
        self.meaning = host.meanings.get("session", "")
        for name in ("entries", "bytes"):
            host.telemetry.observe(f"apisec_sessions_{name}", partial(self._metric, name))
        for name in ("evicted", "expired"):
            host.telemetry.observe(f"apisec_sessions_{name}", partial(self._metric, name), kind="counter")

    def _metric(self, name: str) -> float:
        return float(self._step.metrics()[name])

    def process(self, batch: SpanBatch) -> None:
        """Fills credential, principal, authenticated and session."""
        self._step.process(batch.native)

    @property
    def evicted(self) -> int:
        """Sessions that went for want of room."""
        return int(self._step.metrics()["evicted"])

    def ended(self) -> list[tuple[int, int]]:
        """Sessions that ended in the last batch, expired or evicted: the row before which each did, and its key.

        Kept from the first call on.
        """
        ended: list[tuple[int, int]] = self._step.ended()
        return ended

    def restart(self) -> None:
        """Closes all sessions."""
        self._step.restart()

    def snapshot(self) -> Iterator[bytes]:
        """Open sessions."""
        return iter(self._step.shards())

    def restore(self, shards: Iterable[bytes]) -> Sequence[str]:
        """Goes on from there."""
        return restored(self._step, shards)
