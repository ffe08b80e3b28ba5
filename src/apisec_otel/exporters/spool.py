"""What waits to be sent outlives the process: a small SQLite file where there is storage, else memory."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from apisec_otel.component import Host

Row = tuple[int, dict[str, Any]]
"""Number and content of what waits."""


class Spool:
    """Rows by key, oldest first; at most `limit`. Safe between threads.

    In: JSON objects. A key that is there already takes the new content and keeps its place. What does not fit is refused.
    """

    def __init__(self, path: Path | None, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        if path is not None:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
        self._rows = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        self._rows.execute("CREATE TABLE IF NOT EXISTS waiting (number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT UNIQUE, content TEXT)")

    def put(self, key: str, content: dict[str, Any]) -> bool:
        """Takes a row; False when there is no room."""
        with self._lock:
            known = self._rows.execute("SELECT 1 FROM waiting WHERE key = ?", (key,)).fetchone()
            if not known and self._count() >= self._limit:
                return False
            self._rows.execute(
                "INSERT INTO waiting (key, content) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET content = excluded.content",
                (key, json.dumps(content)),
            )
            return True

    def rows(self) -> Iterator[Row]:
        """All that waits, oldest first, as of now."""
        with self._lock:
            found = self._rows.execute("SELECT number, content FROM waiting ORDER BY number").fetchall()
        return ((number, json.loads(content)) for number, content in found)

    def first(self) -> Row | None:
        """The oldest row."""
        with self._lock:
            found = self._rows.execute("SELECT number, content FROM waiting ORDER BY number LIMIT 1").fetchone()
        return (found[0], json.loads(found[1])) if found else None

    def done(self, number: int) -> None:
        """A row was dealt with."""
        with self._lock:
            self._rows.execute("DELETE FROM waiting WHERE number = ?", (number,))

    def __len__(self) -> int:
        with self._lock:
            return self._count()

    def close(self) -> None:
        """Ends; what waits stays in the file."""
        with self._lock:
            self._rows.close()

    def _count(self) -> int:
        return int(self._rows.execute("SELECT count(*) FROM waiting").fetchone()[0])


def spool_of(host: Host, limit: int) -> Spool:
    """The spool of a component: a file of its own in `file_storage`, if that is configured."""
    name = host.id.replace("/", "_") or "pager"
    return Spool(host.directory / "pagers" / f"{name}.sqlite" if host.directory else None, limit)
