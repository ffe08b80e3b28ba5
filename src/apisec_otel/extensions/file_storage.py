"""A directory in which state outlives the process."""

import fcntl
import os
import secrets
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from apisec_otel.component import Host
from apisec_otel.errors import ComponentError

PAUSE = 0.05
"""Seconds between tries for the lock."""


@dataclass(frozen=True, kw_only=True)
class FileStorage:
    """Keeps what was learned and counted, and the secret of all ids, so that a restart forgets nothing."""

    directory: str = ".apisec-otel"
    """Where."""
    create_directory: bool = True
    """Make it when it is missing."""
    timeout: timedelta = timedelta(seconds=1)
    """How long to wait for another process to let go of the directory."""
    snapshot_interval: timedelta = timedelta(seconds=60)
    """State is saved this often, and at the end; so much learning is lost at most when the process is killed."""
    fsync: bool = False
    """Wait, off the engine's thread, until a snapshot is on the disk: a machine that loses power then keeps it."""

    def __post_init__(self) -> None:
        """Refuses an interval in which no snapshot could be taken."""
        if self.snapshot_interval < timedelta(seconds=1):
            raise ValueError("snapshot_interval must be at least 1s")
        if self.timeout < timedelta():
            raise ValueError("timeout must not be negative")

    def build(self, host: Host) -> "Directory":
        """The directory, not yet touched."""
        _ = host
        return Directory(Path(self.directory), self)


class Directory:
    """The directory in use, by one process at a time."""

    def __init__(self, path: Path, settings: FileStorage | None = None) -> None:
        self.path, self.settings = path, settings or FileStorage()
        self._lock: int | None = None

    def start(self) -> None:
        """Makes and locks it; raises ComponentError when it cannot be made or another process has it."""
        try:
            if self.settings.create_directory:
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._take()
        except BlockingIOError as error:
            raise ComponentError(f"file_storage: {self.path} is in use by another process") from error
        except OSError as error:
            raise ComponentError(f"file_storage: {self.path} cannot be used: {error.strerror}") from error

    def stop(self) -> None:
        """Lets go of it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take(self) -> None:
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        until = time.monotonic() + self.settings.timeout.total_seconds()
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    os.close(lock)
                    raise
                time.sleep(PAUSE)
            else:
                self._lock = lock
                return

    def hash_key(self) -> bytes:
        """The 16 secret bytes of all ids; made at first and read ever after."""
        file = self.path / "hash_key"
        try:
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as new:
                new.write(secrets.token_bytes(16))
        except FileExistsError:
            pass
        key = file.read_bytes()
        if len(key) != 16:
            raise ComponentError(f"file_storage: {file} has {len(key)} bytes, not 16; remove it to have a new one made (all ids change)")
        return key
