"""What each request says, held against what requests to the same place say: how unusual it is, and why."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Final

from apisec_otel.component import Host, Processor, Size
from apisec_otel.processors.native import native_step
from apisec_otel.spans.batch import SpanBatch
from apisec_otel.spans.items import ATTRIBUTES
from apisec_otel.spans.syntax import syntax_json

TABLES: Final = ("parameters", "paths", "names", "scores")
"""What is learned: values of each parameter, the tree of paths, names of each endpoint, how high scores usually are."""


@dataclass(frozen=True, kw_only=True)
class Payloads:
    """Gives each request the probability of one as unusual in what it says, by a model that learns from all of them.

    It looks at path segments, query parameters, captured headers and cookies, and the body where it is recorded.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"request", "endpoint", "session"})
    provides: ClassVar[frozenset[str]] = frozenset({"payload_p", "payload_score", "payload_usual"})

    max_bytes: Size = 32 << 20
    """Most memory for what is learned; past it the least useful is forgotten."""

    def __post_init__(self) -> None:
        """Refuses a size in which nothing could be learned."""
        if self.max_bytes < 64 << 10:
            raise ValueError("max_bytes must be at least 64 KiB")

    def table_bytes(self) -> int:
        """Cap of what is learned."""
        return self.max_bytes

    def for_native(self) -> dict[str, object]:
        """What the native step takes."""
        return {"bytes": self.max_bytes, "syntax": syntax_json(), "attributes": ATTRIBUTES}

    def build(self, host: Host) -> Processor:
        """The running step."""
        return _Learning(native_step("Payload", self.for_native(), host), self.max_bytes, host)


class _Learning:
    """The model lives in the native step."""

    def __init__(self, step: Any, cap: int, host: Host) -> None:
        self._step = step
        words = f"{cap} {syntax_json()} {host.meanings.get('endpoint', '')}"
        self.meaning = hashlib.sha256(words.encode()).hexdigest()[:16]
        for table in TABLES:
            for name in ("entries", "bytes"):
                host.telemetry.observe(f"apisec_payload_{name}", partial(self._metric, table, name), table=table)
            for name in ("evicted", "expired"):
                host.telemetry.observe(f"apisec_payload_{name}", partial(self._metric, table, name), "counter", table=table)
        for name in ("untaught", "cut"):
            host.telemetry.observe(f"apisec_payload_{name}", partial(self._count, name), "counter")

    def _metric(self, table: str, name: str) -> float:
        return float(self._step.metrics()[table][name])

    def _count(self, name: str) -> float:
        return float(self._step.metrics()[name])

    def process(self, batch: SpanBatch) -> None:
        """Fills payload_p, payload_score and payload_usual."""
        if batch.now is not None:
            self._step.advance(batch.now)
        else:
            self._step.process(batch.native)

    def restart(self) -> None:
        """Another recording begins; what was learned stays."""
        self._step.restart()

    def snapshot(self) -> Iterator[bytes]:
        """What is learned."""
        return iter(self._step.shards())

    def restore(self, shards: Iterable[bytes]) -> Sequence[str]:
        """Goes on from there."""
        return [] if all(self._step.load(shard) for shard in shards) else ["payloads kept in another layout"]
