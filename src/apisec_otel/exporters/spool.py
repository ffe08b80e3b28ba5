"""What waits to be sent, in memory, and in a small SQLite file where there is storage, so that it outlives the process."""

from __future__ import annotations

import json
import logging
import os
import re
import sqlite3
import threading
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from apisec_otel.component import Host

log = logging.getLogger(__name__)

Row = dict[str, Any]
"""What waits, as JSON takes it."""
TABLE: Final = "CREATE TABLE IF NOT EXISTS waiting (number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT UNIQUE, content TEXT)"
PUT: Final = "INSERT INTO waiting (key, content) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET content = excluded.content"


class Spool:
    """Rows by key, oldest first; at most `limit`. Safe between threads.

    A key that is there already takes the new row and keeps its place. Where there is no room, the oldest row that `spare`
    names leaves, else the oldest. A disk that fails costs what would outlive the process, and is told once.
    """

    def __init__(self, path: Path | None, limit: int, spare: Callable[[Row], bool] = lambda row: False) -> None:
        self._path, self._limit, self._spare = path, limit, spare
        self._lock = threading.Lock()
        self._rows: dict[str, Row] = {}
        self._file: sqlite3.Connection | None = None

    def open(self, check: Callable[[Row], object]) -> None:
        """Takes up what waited when the last process ended, but for rows with which `check` fails. A file that is none is set aside."""
        if self._path is None:
            return
        try:
            self._take_up(self._path, check)
        except (sqlite3.OperationalError, OSError) as error:
            self._failed(error)
        except sqlite3.DatabaseError as error:
            bad = self._path.with_suffix(".bad")
            log.error("%s cannot be read: %s; it is now %s", self._path, error, bad.name)
            self._leave()
            self._path.replace(bad)
            self._take_up(self._path, check)

    def put(self, key: str, row: Row) -> int:
        """Takes a row; answers how many rows had to leave for it, 0 or 1."""
        with self._lock:
            gone = "" if key in self._rows or len(self._rows) < self._limit else self._least()
            if gone:
                self._remove(gone)
            self._rows[key] = row
            self._write(PUT, key, json.dumps(row))
            return bool(gone)

    def get(self, key: str) -> Row | None:
        """The row of a key."""
        with self._lock:
            return self._rows.get(key)

    def rows(self) -> list[tuple[str, Row]]:
        """All that waits, oldest first, as of now."""
        with self._lock:
            return list(self._rows.items())

    def first(self) -> tuple[str, Row] | None:
        """The oldest row and its key."""
        with self._lock:
            return next(iter(self._rows.items()), None)

    def done(self, key: str, row: Row) -> None:
        """A row was dealt with; one that has taken its place meanwhile stays."""
        with self._lock:
            if self._rows.get(key) is row:
                self._remove(key)

    def __len__(self) -> int:
        return len(self._rows)

    def close(self) -> None:
        """Ends; what waits stays in the file."""
        with self._lock:
            self._leave()

    def _take_up(self, path: Path, check: Callable[[Row], object]) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._file = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._file.execute(TABLE)
        for key, content in self._file.execute("SELECT key, content FROM waiting ORDER BY number").fetchall():
            try:
                row = json.loads(content)
                check(row)
            except (ValueError, TypeError, LookupError, AttributeError):
                self._write("DELETE FROM waiting WHERE key = ?", key)
            else:
                self._rows[key] = row

    def _least(self) -> str:
        return next((key for key, row in self._rows.items() if self._spare(row)), next(iter(self._rows)))

    def _remove(self, key: str) -> None:
        del self._rows[key]
        self._write("DELETE FROM waiting WHERE key = ?", key)

    def _write(self, statement: str, *values: str) -> None:
        try:
            if self._file is not None:
                self._file.execute(statement, values)
        except sqlite3.Error as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        log.error("%s: %s; what waits is kept in memory only", self._path, error)
        self._leave()

    def _leave(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def path_of(host: Host, suffix: str = "") -> Path | None:
    """The file of a component in `file_storage`, if that is configured."""
    if host.directory is None:
        return None
    plain = re.sub(r"[^A-Za-z0-9_]", "_", host.id)[:64]
    return host.directory / "pagers" / f"{plain}-{blake2b(host.id.encode(), digest_size=4).hexdigest()}{suffix}.sqlite"
