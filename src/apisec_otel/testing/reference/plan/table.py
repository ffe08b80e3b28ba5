"""The keyed table with its cap in bytes, written for reading: two lists and a rule."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

SECOND = 1_000_000_000
ENTRY_BYTES = 64
WORD = 8
_LOOKED_AT = 32


@dataclass(eq=False)
class Entry:
    """One key: when it was counted, and what each kernel keeps of it."""

    key: int
    first: int
    last: int
    later: bool = False
    visited: bool = False
    main: bool = False
    proofs: int = 0
    """Seconds after the first in which it came, at most three: sweeps of main that it outlasts unvisited. A visit there gives all back."""
    cells: dict[int, Any] = field(default_factory=dict)

    def visit(self, time: int) -> None:
        """A counted row of this key."""
        self.proofs = min(3, self.proofs + (time // SECOND > self.last // SECOND))
        self.last = max(self.last, time)
        self.later = self.later or time - self.first >= SECOND
        self.visited = self.visited or self.main


@dataclass
class Table:
    """Entries by key. Only counted rows come in by `visit`; what is too much goes when the table settles."""

    cap: int
    expiry: int
    words: int = 0
    """Fixed words an entry, over all kernels of the table."""
    entries: dict[int, Entry] = field(default_factory=dict)
    fresh: list[Entry] = field(default_factory=list)
    probation: deque[Entry] = field(default_factory=deque)
    main: deque[Entry] = field(default_factory=deque)
    evicted: int = 0
    expired: int = 0

    def visit(self, key: int, time: int) -> Entry:
        """The entry of a counted row, made if there is none."""
        entry = self.entries.get(key)
        if entry is None:
            entry = self.entries[key] = Entry(key, time, time)
            self.fresh.append(entry)
        entry.visit(time)
        return entry

    def cells(self, key: int, kernel: int) -> Any:
        """What a kernel keeps of a key; looking changes nothing."""
        entry = self.entries.get(key)
        return entry.cells.get(kernel) if entry else None

    def bytes(self) -> int:
        """The published cost of all entries."""
        return sum(map(self._cost, self.entries.values()))

    def settle(self) -> None:
        """New keys go on probation; while there is too much, what was not seen again goes first."""
        self.probation.extend(self.fresh)
        self.fresh.clear()
        total = self.bytes()
        trial = sum(map(self._cost, self.probation))
        while total > self.cap:
            if trial > self.cap // 5 or not self.main:
                entry = self.probation.popleft()
                trial -= self._cost(entry)
                if entry.later:
                    entry.main, entry.visited = True, False
                    entry.proofs = max(0, entry.proofs - 1)
                    self.main.append(entry)
                    continue
            else:
                entry = self.main.popleft()
                if entry.visited or entry.proofs:
                    entry.proofs = 3 if entry.visited else entry.proofs - 1
                    entry.visited = False
                    self.main.append(entry)
                    continue
            total -= self._cost(entry)
            del self.entries[entry.key]
            self.evicted += 1

    def expire(self, now: int) -> None:
        """Drops old keys: from the head of probation while they are old, and among the first of main."""
        while self.probation and self.probation[0].last + self.expiry < now:
            self._expired(self.probation.popleft())
        for _ in range(min(_LOOKED_AT, len(self.main))):
            entry = self.main.popleft()
            if entry.last + self.expiry < now:
                self._expired(entry)
            else:
                self.main.append(entry)

    def _expired(self, entry: Entry) -> None:
        del self.entries[entry.key]
        self.expired += 1

    def _cost(self, entry: Entry) -> int:
        spilled: int = sum(cells.spilled() for cells in entry.cells.values())
        return ENTRY_BYTES + WORD * (self.words + spilled)
