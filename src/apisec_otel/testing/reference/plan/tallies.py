"""Tallies: they answer with the row counted. `count` changes the cells, `answer` only looks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

_PARTS = 8
_VALUE_SHIFT = 16
_CONFIRMED = 1_000_000_000


class TallyCells(Protocol):
    """One key's part of a tally."""

    def counts(self, operand: float | int) -> bool:
        """Whether a row with this operand is counted (its `where` holds)."""
        ...

    def count(self, time: int, operand: float | int) -> None:
        """Counts one row."""
        ...

    def answer(self, time: int) -> float:
        """The tally as of a time."""
        ...

    def answer_to(self, time: int, operand: float | int) -> float:
        """The answer to a row with this operand; of blank cells, what an unknown key is answered."""
        ...

    def spilled(self) -> int:
        """Words beyond the fixed cells."""
        ...

    @property
    def answers_first(self) -> bool:
        """Whether it answers of the rows before."""
        ...


class Plain:
    """A tally that answers every row of a key alike, the row counted."""

    answers_first: bool = False

    def answer(self, time: int) -> float:
        raise NotImplementedError

    def answer_to(self, time: int, operand: float | int) -> float:
        return self.answer(time)


class Count(Plain):
    """How many, by the eighths of a sliding time."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.part = max(settings["within"] // _PARTS, 1)
        self.sums: dict[int, float] = {}

    def counts(self, operand: float | int) -> bool:
        return True

    def count(self, time: int, operand: float | int) -> None:
        now = time // self.part
        self.sums[now] = self.sums.get(now, 0.0) + operand
        for old in [part for part in self.sums if part <= now - _PARTS]:
            del self.sums[old]

    def answer(self, time: int) -> float:
        now = time // self.part
        total = sum((self.sums[part] for part in sorted(self.sums) if part > now - _PARTS), 0.0)
        return total if math.isfinite(total) else math.nan

    def spilled(self) -> int:
        return 0


class Total(Count):
    """How much: as Count, each row with its own weight."""

    def counts(self, operand: float | int) -> bool:
        return not math.isnan(operand)


class Distinct(Plain):
    """How many different: each value with the eighth in which it was last seen."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.part = max(settings["within"] // _PARTS, 1)
        self.limit: int = settings["limit"]
        self.seen: dict[int, int] = {}

    def counts(self, operand: float | int) -> bool:
        return operand != 0

    def count(self, time: int, operand: float | int) -> None:
        now, value = time // self.part, int(operand) >> _VALUE_SHIFT
        self.seen = {one: part for one, part in self.seen.items() if part > now - _PARTS}
        if value in self.seen or len(self.seen) < self.limit:
            self.seen[value] = now

    def answer(self, time: int) -> float:
        now = time // self.part
        return float(sum(part > now - _PARTS for part in self.seen.values()))

    def spilled(self) -> int:
        return len(self.seen)


class Trw(Plain):
    """Log-odds that fade."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        normal, attack = settings["normal"], settings["attack"]
        self.up, self.down = math.log(attack / normal), math.log((1 - attack) / (1 - normal))
        self.floor, self.ceiling, self.half_life = settings["floor"], settings["ceiling"], settings["half_life"]
        self.odds, self.time = 0.0, 0

    def counts(self, operand: float | int) -> bool:
        return operand != 0

    def count(self, time: int, operand: float | int) -> None:
        moved = self.answer(time) + (self.up if operand == 1 else self.down)
        self.odds, self.time = min(max(moved, self.floor), self.ceiling), time

    def answer(self, time: int) -> float:
        return self.odds * math.exp2(-(time - self.time) / self.half_life)

    def spilled(self) -> int:
        return 0


class Streak(Plain):
    """How many in a row."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.within: int = settings["within"]
        self.length, self.time = 0, 0

    def counts(self, operand: float | int) -> bool:
        return operand != 0

    def count(self, time: int, operand: float | int) -> None:
        self.length = int(self.answer(time)) + 1 if operand == 1 else 0
        self.time = time

    def answer(self, time: int) -> float:
        return float(self.length) if time - self.time <= self.within else 0.0

    def spilled(self) -> int:
        return 0


class Last(Plain):
    """What was there before."""

    answers_first = True
    none: float = math.nan

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.within: int = settings["within"]
        self.value: float = self.none
        self.time = 0

    def counts(self, operand: float | int) -> bool:
        return not math.isnan(operand)

    def count(self, time: int, operand: float | int) -> None:
        self.value, self.time = operand, time

    def answer(self, time: int) -> float:
        return self.value if time - self.time <= self.within else self.none

    def spilled(self) -> int:
        return 0


class LastId(Last):
    """Who was there before."""

    none = 0

    def counts(self, operand: float | int) -> bool:
        return operand != 0


class Since(Last):
    """When it was."""

    def answer(self, time: int) -> float:
        return (time - self.time) / 1e9 if time - self.time <= self.within else math.nan


class Owner:
    """Who counted first, and whether the same came back a second later or more."""

    answers_first = False

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.owner, self.first, self.confirmed = 0, 0, False

    def counts(self, operand: float | int) -> bool:
        return operand != 0

    def count(self, time: int, operand: float | int) -> None:
        if self.owner == 0:
            self.owner, self.first = int(operand), time
        elif operand == self.owner:
            self.confirmed = self.confirmed or time - self.first >= _CONFIRMED

    def answer(self, time: int) -> float:
        return math.nan

    def answer_to(self, time: int, operand: float | int) -> float:
        return float(operand != self.owner) if self.confirmed and operand else math.nan

    def spilled(self) -> int:
        return 0


TALLIES: dict[str, tuple[Callable[[Mapping[str, Any]], TallyCells], int]] = {
    "count": (Count, 5),
    "total": (Total, 9),
    "distinct": (Distinct, 2),
    "trw": (Trw, 2),
    "owner": (Owner, 2),
    "streak": (Streak, 2),
    "last": (Last, 2),
    "last_id": (LastId, 2),
    "since": (Since, 1),
}
"""Each tally with its fixed words a key."""
