"""How many incidents a day may bring: a ceiling, with a little room for what is worse than the rest."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

PERIODS: Final = {"hour": 3600 * 10**9, "day": 86400 * 10**9}
"""In nanoseconds."""


def parse_budget(text: str) -> tuple[int, int]:
    """How many, and in how long (ns).

    >>> parse_budget("20/day")
    (20, 86400000000000)
    """
    found = re.fullmatch(r"\s*(\d{1,6})\s*/\s*(day|hour)\s*", text)
    if not found:
        raise ValueError(f"budget: {text!r} is none; write how many incidents in how long, as in 20/day or 3/hour")
    return int(found[1]), PERIODS[found[2]]


class Budget:
    """Remembers what was opened in the trailing period."""

    def __init__(self, text: str) -> None:
        self._most, self._period = parse_budget(text)
        self._opened: list[tuple[int, float]] = []

    def admits(self, risk: float, now: int) -> bool:
        """Whether one more may be opened at `now` (ns), which is then counted.

        Past the budget a fifth of it more, each with more risk than the k-th largest of the period, k being a fifth as well.
        """
        self._opened = [each for each in self._opened if each[0] + self._period > now]
        if not self._has_room(risk):
            return False
        self._opened.append((now, risk))
        return True

    def _has_room(self, risk: float) -> bool:
        if len(self._opened) < self._most:
            return True
        extra = self._most // 5
        if not extra or len(self._opened) >= self._most + extra:
            return False
        return risk > sorted((of for _, of in self._opened), reverse=True)[extra - 1]

    def rows(self) -> list[tuple[int, float]]:
        """What is remembered."""
        return self._opened

    def take(self, rows: Iterable[tuple[int, float]]) -> None:
        """Remembers what another one did."""
        self._opened += [(int(at), float(risk)) for at, risk in rows]
