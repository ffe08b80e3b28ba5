"""A bounded queue between the engine and the exporters of findings: the engine never waits."""

from __future__ import annotations

import threading
from collections import Counter, deque

from apisec_otel.component import Signal


class Outbox:
    """Holds at most `limit` bytes; what does not fit is dropped and counted. Safe between threads."""

    def __init__(self, limit: int) -> None:
        self._waiting: deque[tuple[Signal, bytes]] = deque()
        self._limit = limit
        self._bytes = 0
        self._changed = threading.Condition()
        self.dropped: Counter[Signal] = Counter()
        """Requests that did not fit, by signal."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def size(self) -> int:
        """Bytes waiting."""
        return self._bytes

    def offer(self, signal: Signal, payload: bytes) -> bool:
        """Takes a request, or drops it when there is no room; never waits for an exporter."""
        with self._changed:
            if self._bytes + len(payload) > self._limit:
                self.dropped[signal] += 1
                return False
            self._waiting.append((signal, payload))
            self._bytes += len(payload)
            self._changed.notify()
            return True

    def first(self, timeout: float = 0.0) -> tuple[Signal, bytes] | None:
        """The oldest request, which stays; None when there is none after `timeout` seconds."""
        with self._changed:
            if not self._waiting and timeout:
                self._changed.wait(timeout)
            return self._waiting[0] if self._waiting else None

    def done(self) -> None:
        """The oldest request was dealt with."""
        with self._changed:
            self._bytes -= len(self._waiting.popleft()[1])
