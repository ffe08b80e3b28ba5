"""Refuses requests while too much waits in memory: retryably, and before any state is touched."""

import logging
import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from apisec_otel.component import Host, Processor
from apisec_otel.errors import RefusedError
from apisec_otel.spans.batch import SpanBatch

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class MemoryLimiter:
    """Refuses requests, retryably, when those in flight need more memory than is left beside the tables.

    Full tables are never the reason: they evict. Must be the first processor.
    """

    first: ClassVar[bool] = True
    signals: ClassVar[frozenset[str]] = frozenset({"traces", "logs", "metrics"})

    check_interval: timedelta = timedelta(seconds=1)
    """How often memory is looked at; a whole refusal or none in between."""
    limit_mib: int = 0
    """Hard limit in MiB: what tables and requests in flight may need together."""
    spike_limit_mib: int = 0
    """Kept free below the hard limit, in MiB; 20 % of it when 0."""
    limit_percentage: int = 0
    """Hard limit as a share of the machine's (or container's) memory, in percent; used when limit_mib is 0."""
    spike_limit_percentage: int = 0
    """Kept free below the hard limit, in percent of the memory."""

    def __post_init__(self) -> None:
        """Refuses what the Collector refuses as well."""
        if self.check_interval <= timedelta():
            raise ValueError("check_interval must be greater than 0, as in 1s")
        if not self.limit_mib and not self.limit_percentage:
            raise ValueError("one of limit_mib and limit_percentage must be set, as in limit_mib: 512")
        if not 0 <= self.limit_percentage <= 100 or not 0 <= self.spike_limit_percentage <= 100:
            raise ValueError("limit_percentage and spike_limit_percentage are 0 to 100")
        if self.limit_mib < 0 or self.spike_limit_bytes() >= self.limit_bytes():
            raise ValueError("the spike limit must be smaller than the limit")

    def limit_bytes(self) -> int:
        """The hard limit."""
        return self.limit_mib << 20 if self.limit_mib else machine_bytes() * self.limit_percentage // 100

    def spike_limit_bytes(self) -> int:
        """What is kept free below it."""
        if self.spike_limit_mib:
            return self.spike_limit_mib << 20
        return machine_bytes() * self.spike_limit_percentage // 100 or self.limit_bytes() // 5

    def build(self, host: Host) -> Processor:
        """The running limiter."""
        return _Limiter(self, host)


class _Limiter:
    def __init__(self, settings: MemoryLimiter, host: Host) -> None:
        self._most = settings.limit_bytes() - settings.spike_limit_bytes() - host.table_bytes
        self._interval = settings.check_interval // timedelta(microseconds=1) * 1000
        self._host = host
        self._next = 0
        self._refusing = False

    def process(self, batch: SpanBatch) -> None:
        now = self._host.clock.monotonic()
        if now >= self._next:
            self._next = now + self._interval
            self._look()
        if self._refusing and batch.spans:
            raise RefusedError("data refused due to high memory usage")

    def _look(self) -> None:
        waiting = self._host.in_flight()
        refusing = waiting > self._most
        if refusing != self._refusing:
            word = "refusing requests" if refusing else "accepting requests again"
            log.warning("%s: %s: %d MiB in flight, %d MiB allowed", self._host.id, word, waiting >> 20, self._most >> 20)
        self._refusing = refusing


def machine_bytes() -> int:
    """Memory of the container, or of the machine where there is none."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit():
            return min(int(text), physical)
    return physical
