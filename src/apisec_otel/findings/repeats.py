"""Which findings were shown lately."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apisec_otel.findings.recent import Recent
from apisec_otel.findings.severity import Level

Key = tuple[str, int, int]
"""Detector, entity, endpoint."""
Row = tuple[str, int, int, int, int]
"""A key, when it was shown and its level: what is kept of it."""


class Repeats:
    """Remembers for `window` nanoseconds of event time what was shown, at most `limit` keys, the oldest out first."""

    def __init__(self, limit: int, window: int) -> None:
        self._shown: Recent[Key, tuple[int, Level]] = Recent()
        self._limit, self._window = limit, window

    def __len__(self) -> int:
        return len(self._shown)

    def seen(self, key: Key, level: Level, now: int) -> bool:
        """True when this was shown within the window; otherwise it counts as shown now.

        What got worse is no repeat: a quiet finding must not hide a loud one.
        """
        while (first := self._shown.first()) and first[1][0] + self._window <= now:
            self._shown.pop()
        known = self._shown.get(key)
        if known is not None and level <= known[1]:
            return True
        self._put(key, level, now)
        return False

    def rows(self) -> Iterator[list[Row]]:
        """What is remembered, in pieces, oldest first."""
        for page in self._shown.pages():
            yield [(*key, at, int(level)) for key, (at, level) in page]

    def take(self, rows: Iterable[Row]) -> None:
        """Remembers what another one did."""
        for detector, entity, endpoint, at, level in rows:
            self._put((detector, entity, endpoint), Level(level), at)

    def _put(self, key: Key, level: Level, now: int) -> None:
        self._shown.put(key, (now, level))
        if len(self._shown) > self._limit:
            self._shown.pop()
