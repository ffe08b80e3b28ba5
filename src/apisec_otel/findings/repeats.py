"""Which findings were shown lately."""

from __future__ import annotations

from collections import OrderedDict

from apisec_otel.findings.severity import Level

Key = tuple[str, int, int]
"""Detector, entity, endpoint."""


class Repeats:
    """Remembers for `window` nanoseconds of event time what was shown, at most `limit` keys, the oldest out first."""

    def __init__(self, limit: int, window: int) -> None:
        self._shown: OrderedDict[Key, tuple[int, Level]] = OrderedDict()
        self._limit, self._window = limit, window

    def __len__(self) -> int:
        return len(self._shown)

    def seen(self, key: Key, level: Level, now: int) -> bool:
        """True when this was shown within the window; otherwise it counts as shown now.

        What got worse is no repeat: a quiet finding must not hide a loud one.
        """
        while self._shown and next(iter(self._shown.values()))[0] + self._window <= now:
            self._shown.popitem(last=False)
        known = self._shown.get(key)
        if known is not None and level <= known[1]:
            return True
        self._shown[key] = (now, level)
        self._shown.move_to_end(key)
        if len(self._shown) > self._limit:
            self._shown.popitem(last=False)
        return False
