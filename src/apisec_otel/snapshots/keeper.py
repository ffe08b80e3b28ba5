"""Keeps the state of all parts in one file: a shard between two batches, everything at the end, given back at the start.

The parts are copied against the stream, so the memory of requests seen comes last: what it does not know yet when the
process is killed was counted in nothing that was kept, and a sender's retry of it counts. A request that was counted
after its table was copied is lost to the table; so at most one interval of learning is lost, and nothing counts twice.
"""

import logging
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from apisec_otel.clock import Clock
from apisec_otel.component import Keeps
from apisec_otel.snapshots.frames import Frame, SnapshotError, frames, verify
from apisec_otel.snapshots.parts import copied, given
from apisec_otel.snapshots.writing import Writing
from apisec_otel.telemetry import Telemetry

log = logging.getLogger(__name__)

NAME = "state.snapshot"
PAUSE = 0.005
"""Seconds between looks whether the disk has caught up."""
LAST = 4.0
"""Seconds that the last snapshot may take at the end: the process has 10 to go."""


class Keeper:
    """Takes snapshots of parts, in the order given; one thread at a time."""

    def __init__(
        self, parts: Mapping[str, Keeps], folder: Path, secret: bytes, *, every: float, fsync: bool, clock: Clock, telemetry: Telemetry
    ) -> None:
        self._parts, self._path, self._secret = parts, folder / NAME, secret
        self._every, self._fsync, self._clock, self._telemetry = int(every * 1e9), fsync, clock, telemetry
        self._due = clock.monotonic() + self._every
        self._shards: Iterator[Frame] | None = None
        self._writing: Writing | None = None
        self._begun = self._kept = clock.now()
        self._longest = self._pause = 0.0
        self._bytes = 0
        self.failure = ""
        """Why the last snapshot failed; empty when it did not."""
        telemetry.observe("apisec_snapshot_pause_seconds", lambda: self._pause)
        telemetry.observe("apisec_snapshot_bytes", lambda: float(self._bytes))
        telemetry.observe("apisec_snapshot_age_seconds", lambda: (self._clock.now() - self._kept) / 1e9)
        telemetry.add("apisec_snapshots", 0)
        telemetry.add("apisec_snapshot_failures", 0)

    def restore(self) -> list[str] | None:
        """Gives the parts back what was kept; answers what begins without memory, None when there is no snapshot.

        SnapshotError when it cannot be read: it was set aside, and the parts must be built anew.
        """
        now = self._clock.now()
        try:
            verify(self._path, self._secret, now)
            cold = given(self._parts, frames(self._path, self._secret, now))
        except FileNotFoundError:
            return None
        except Exception as error:
            raise SnapshotError(f"{self._path} cannot be used: {error}; {self._set_aside()}") from error
        return cold

    def is_hurried(self) -> bool:
        """Whether the next turn would copy something: an idle engine need not wait."""
        return self._shards is not None and self._writing is not None and not self._writing.is_full()

    def turn(self) -> None:
        """Called between two batches: begins a snapshot when it is time, copies one shard of it, or sees how it ended."""
        try:
            self._turn()
        except Exception as error:
            log.exception("a snapshot failed")
            self.abandon()
            self._failed(f"{type(error).__name__}: {error}")

    def _turn(self) -> None:
        if self._shards is not None:
            self._copy()
        elif self._writing is not None:
            if self._writing.is_over():
                self._ended(self._writing)
        elif self._clock.monotonic() >= self._due:
            self._begin()

    def finish(self) -> None:
        """Takes a last snapshot, in one go. The engine must have ended."""
        self.abandon()
        self._begin()
        until = time.perf_counter() + LAST
        while self._writing is not None and time.perf_counter() < until:
            self.turn()
            if not self.is_hurried() and self._writing is not None:
                self._writing.join(PAUSE)
        if self._writing is not None:
            self._failed("the disk takes too long")

    def abandon(self) -> None:
        """Gives up what is under way; the snapshot before stays."""
        if self._writing is not None:
            self._writing.abandon()
        self._shards = self._writing = None

    def _begin(self) -> None:
        now = self._clock.now()
        self._due = self._clock.monotonic() + self._every
        self._begun, self._longest = now, 0.0
        self._writing = Writing(self._path, self._secret, now, fsync=self._fsync)
        self._shards = copied(self._parts)

    def _copy(self) -> None:
        writing, shards = self._writing, self._shards
        if writing is None or shards is None or (writing.is_full() and not writing.is_over()):
            return
        start = time.perf_counter()
        shard = next(shards, None)
        self._longest = max(self._longest, time.perf_counter() - start)
        if shard is None or writing.is_over():
            writing.end()
            self._shards = None
        else:
            writing.add(shard)

    def _ended(self, writing: Writing) -> None:
        self._writing = None
        if writing.failure:
            self._failed(writing.failure)
            return
        if self.failure:
            log.info("file_storage: snapshots are taken again")
        self.failure = ""
        self._kept, self._pause, self._bytes = self._begun, self._longest, writing.bytes
        self._telemetry.add("apisec_snapshots")

    def _failed(self, why: str) -> None:
        self._telemetry.add("apisec_snapshot_failures")
        if why != self.failure:
            log.error("file_storage: %s cannot be written: %s; state is kept in memory only", self._path, why)
        self.failure = why

    def _set_aside(self) -> str:
        bad = self._path.with_suffix(".bad")
        try:
            self._path.replace(bad)
        except OSError as error:
            return f"it cannot be set aside either ({error.strerror})"
        return f"it is now {bad.name}"
