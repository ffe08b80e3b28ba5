"""A directory in which state outlives the process."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from apisec_otel.component import Host
from apisec_otel.errors import ComponentError


@dataclass(frozen=True, kw_only=True)
class FileStorage:
    """Keeps the secret of all ids, so that they mean the same after a restart."""

    directory: str = ".apisec-otel"
    """Where; made when it is missing."""

    def build(self, host: Host) -> "Directory":
        """The directory, not yet touched."""
        _ = host
        return Directory(Path(self.directory))


@dataclass(frozen=True, slots=True)
class Directory:
    """The directory in use."""

    path: Path

    def start(self) -> None:
        """Makes it; raises ComponentError when it cannot be written to."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ComponentError(f"file_storage: {self.path} cannot be made: {error.strerror}") from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise ComponentError(f"file_storage: {self.path} cannot be written to")

    def stop(self) -> None:
        """Leaves everything as it is."""

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
