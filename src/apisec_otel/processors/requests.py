"""Which spans are API requests, from where they came, and how they ended."""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Final

from pydantic import SecretStr

from apisec_otel.component import Host, Processor, Size
from apisec_otel.processors.native import native_step, restored
from apisec_otel.semconv import MOST_CUSTOM, CustomKind
from apisec_otel.spans.batch import SpanBatch

IDLE_BEHIND: Final = 5 * 10**9
"""When nothing arrives, stream time follows the clock this far behind: exporters hold spans back for as long (ns)."""


@dataclass(frozen=True, kw_only=True)
class CustomColumn:
    """A column of your own, for detectors of your own: `row.custom("name")`."""

    from_: tuple[str, ...]
    """Attributes it is read from, of the span or else of its resource; the first that is present wins."""
    as_: CustomKind = "key"
    """key: an id, hashed. number. flag: true or false."""

    def __post_init__(self) -> None:
        """Refuses a column without a source."""
        if not self.from_:
            raise ValueError("from names at least one attribute, as in [app.tenant]")


@dataclass(frozen=True, kw_only=True)
class Requests:
    """Finds the spans that are API requests and fills what is read from one span alone."""

    provides: ClassVar[frozenset[str]] = frozenset(
        {"request", "time", "client", "network", "service", "succeeded", "denied", "not_found", "failed", "late"},
    )

    changes: ClassVar[dict[str, frozenset[str]]] = {"trusted_proxies": frozenset({"client", "network", "session", "actor"})}

    trusted_proxies: tuple[str, ...] = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
    """Networks whose forwarding headers are believed, in CIDR notation; loopback and private networks by default."""
    secret_headers: tuple[str, ...] = ()
    """More headers whose values are overwritten on the way out."""
    secret_queries: tuple[str, ...] = ()
    """More query names whose values are overwritten on the way out."""
    secret_attributes: tuple[str, ...] = ()
    """More attributes whose values are overwritten, by their full keys."""
    gateways: tuple[str, ...] = ()
    """Services (service.name) that are gateways, beside those that are found to be. What a gateway says of a call waits up to 6 s
    for the application's request: the two are one."""
    calls: Size = 4 << 20
    """Most memory for calls of which one service has told and another may; past it the oldest wait no longer."""
    columns: dict[str, CustomColumn] = field(default_factory=dict)
    """More columns that detectors can read, by name; at most 8."""
    hash_key: SecretStr | None = None
    """Secret of all hashed ids, 32 hex digits; without it one is made once and kept in file_storage."""
    repeats: Size = 32 << 20
    """Most memory for remembering requests seen, so that a sender's retry is not counted twice."""

    def __post_init__(self) -> None:
        """Refuses what is no network and no key."""
        for each in self.trusted_proxies:
            try:
                ipaddress.ip_network(each, strict=False)
            except ValueError:
                raise ValueError(f"trusted_proxies: {each!r} is no network; write 10.0.0.0/8 or 10.1.2.3") from None
        if len(self.columns) > MOST_CUSTOM:
            raise ValueError(f"columns: {len(self.columns)} are configured; at most {MOST_CUSTOM} fit in a row")
        for name in self.columns:
            if not name.isidentifier():
                raise ValueError(f"columns: {name!r} is no name; write letters, digits and underscores, as in tenant")
        if self.hash_key is not None:
            self.hash_bytes()

    def hash_bytes(self) -> bytes | None:
        """The secret, when it is configured."""
        if self.hash_key is None:
            return None
        try:
            key = bytes.fromhex(self.hash_key.get_secret_value())
        except ValueError:
            key = b""
        if len(key) != 16:
            raise ValueError("hash_key is 32 hex digits, as `openssl rand -hex 16` prints them")
        return key

    def vocabulary(self) -> dict[str, tuple[Any, ...]]:
        """What it adds to the vocabulary."""
        custom = tuple((name, each.from_, each.as_) for name, each in sorted(self.columns.items()))
        secret = {"secret_headers": self.secret_headers, "secret_queries": self.secret_queries, "secret_attributes": self.secret_attributes}
        return {**secret, "custom": custom}

    def custom_columns(self) -> dict[str, CustomKind]:
        """The columns that it adds, and their kinds."""
        return {name: each.as_ for name, each in sorted(self.columns.items())}

    def table_bytes(self) -> int:
        """Cap of the memory of repeats and of calls."""
        return self.repeats + self.calls

    def for_native(self) -> dict[str, object]:
        """What the native step takes."""
        calls = {"gateways": list(self.gateways), "call_bytes": self.calls}
        return {"trusted_proxies": list(self.trusted_proxies), "retry_bytes": self.repeats, **calls}

    def build(self, host: Host) -> Processor:
        """The running step."""
        return _Observing(native_step("Requests", self.for_native(), host), host)


class _Observing:
    """Stream time and the memory of retries live in the native step."""

    def __init__(self, step: Any, host: Host) -> None:
        self._step, self._received = step, host.received
        for name in ("requests", "repeats", "repeated_ids", "late"):
            host.telemetry.observe(f"apisec_{name}", partial(self._count, name), kind="counter")
        host.telemetry.observe("apisec_requests_merged", partial(self._count, "merged"), kind="counter")
        host.telemetry.observe("apisec_calls_bytes", partial(self._count, "call_bytes"))
        self._telemetry = host.telemetry

    def _count(self, name: str) -> float:
        return float(self._step.counts()[name])

    def process(self, batch: SpanBatch) -> None:
        """Places each request in time; a span that came before gets back what was written on it."""
        received = self._received()
        if received is not None and not batch.spans:
            self._step.idle(received - IDLE_BEHIND)
            batch.now = self._step.now()
            return
        self._step.process(batch.native, received)
        for key, count in batch.native.secrets().items():
            self._telemetry.add("apisec_secrets_overwritten", count, key=key)

    def remember(self, batch: SpanBatch) -> None:
        """Keeps what was written, for a sender that tries again."""
        self._step.remember(batch.native)

    def counts(self) -> dict[str, int]:
        """Requests, repeats, repeated_ids, late, merged and bytes since the start."""
        return dict(self._step.counts())

    def now(self) -> int:
        """Stream time, ns."""
        return int(self._step.now())

    def is_behind(self, batch: SpanBatch) -> bool | None:
        """Whether a batch that is still to come begins over 10 minutes behind stream time; None of one without requests."""
        behind: bool | None = self._step.is_behind(batch.native)
        return behind

    @property
    def meaning(self) -> str:
        """Ids and times mean the same whatever is set."""
        return ""

    def snapshot(self) -> Iterator[bytes]:
        """Stream time and the spans seen. It stands before all that counts, so it is copied after them: what is counted is seen."""
        return iter(self._step.shards())

    def restore(self, shards: Iterable[bytes]) -> Sequence[str]:
        """Goes on from there."""
        return restored(self._step, shards)

    def restart(self) -> None:
        """Starts time anew, and forgets which spans were seen."""
        self._step.restart()
