"""Writes one snapshot behind the engine's back: the engine hands shards over and never waits for the disk."""

import os
import queue
import threading
from contextlib import suppress
from pathlib import Path

from apisec_otel.snapshots.frames import Frame, Writer

PATIENCE = 1.0
"""Seconds."""
WAITING = 16
"""Shards that may wait for the disk."""


class Writing:
    """A file in the making; it takes its name when it is whole, and is removed when it does not become so."""

    def __init__(self, path: Path, secret: bytes, at: int, *, fsync: bool) -> None:
        self._path, self._secret, self._at, self._fsync = path, secret, at, fsync
        self._frames: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self._abandoned = threading.Event()
        self.bytes = 0
        self.failure = ""
        self._thread = threading.Thread(target=self._run, name="snapshot", daemon=True)
        self._thread.start()

    def is_full(self) -> bool:
        """Whether the disk is behind."""
        return self._frames.qsize() >= WAITING

    def is_over(self) -> bool:
        """Whether the file is there, or never will be."""
        return not self._thread.is_alive()

    def add(self, frame: Frame) -> None:
        """Hands a frame over."""
        self._frames.put(frame)

    def end(self) -> None:
        """Says that this was all."""
        self._frames.put(None)

    def abandon(self) -> None:
        """Gives the file up; waits for a write that is under way, but not for a disk that hangs."""
        self._abandoned.set()
        self.end()
        self.join(PATIENCE)

    def join(self, seconds: float) -> None:
        """Waits until it is over."""
        self._thread.join(seconds)

    def _run(self) -> None:
        made = self._path.with_suffix(".new")
        try:
            self._write(made)
        except OSError as error:
            self.failure = error.strerror or str(error)
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"
        finally:
            with suppress(OSError):
                made.unlink()

    def _write(self, made: Path) -> None:
        with suppress(FileNotFoundError):
            made.unlink()
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            writer = Writer(file, self._secret, self._at)
            while (frame := self._frames.get()) is not None:
                writer.add(frame)
            if self._abandoned.is_set():
                return
            writer.end()
            file.flush()
            if self._fsync:
                os.fsync(file.fileno())
        made.replace(self._path)
        self.bytes = writer.bytes
        if self._fsync:
            _sync(self._path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
