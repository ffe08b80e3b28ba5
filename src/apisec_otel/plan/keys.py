"""What Python keeps by key: so many at most, and a flood of new ones takes no room from those that came back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

Kept = TypeVar("Kept")
_LATER = 1_000_000_000
_TRIAL = 5


class Keys(Generic[Kept]):
    """Values by key. A key is on probation until it comes again a second later or more; probation may fill a fifth.

    Past `most` the key not seen for longest goes: of probation while that is over its fifth, else of the others.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._trial: OrderedDict[int, tuple[int, Kept]] = OrderedDict()
        self._main: OrderedDict[int, Kept] = OrderedDict()
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._trial) + len(self._main)

    def __iter__(self) -> Iterator[int]:
        yield from self._trial
        yield from self._main

    def get(self, key: int) -> Kept | None:
        """What is kept of a key; looking changes nothing."""
        found = self._trial.get(key)
        return self._main.get(key) if found is None else found[1]

    def put(self, key: int, kept: Kept, time: int) -> None:
        """Keeps a value as of a time, ns."""
        first = self._trial.pop(key, (time,))[0]
        if key in self._main or time - first >= _LATER:
            self._main[key] = kept
            self._main.move_to_end(key)
        else:
            self._trial[key] = (first, kept)
        self._make_room()

    def pages(self, size: int) -> Iterator[list[tuple[int, int | None, Kept]]]:
        """What is kept, so many keys at a time, each as it is when its page is asked for: key, since when on probation, value."""
        keys = list(self)
        for at in range(0, len(keys), size):
            found = ((key, self._trial.get(key), self._main.get(key)) for key in keys[at : at + size])
            page = [(key, trial[0], trial[1]) if trial else (key, None, kept) for key, trial, kept in found if trial or kept is not None]
            yield page  # type: ignore[misc]

    def take(self, key: int, since: int | None, kept: Kept) -> None:
        """Keeps what another one kept."""
        if since is None:
            self._main[key] = kept
        else:
            self._trial[key] = (since, kept)
        self._make_room()

    def clear(self) -> None:
        """Forgets everything."""
        self._trial.clear()
        self._main.clear()

    def _make_room(self) -> None:
        while len(self) > self._most:
            crowded = len(self._trial) > self._most // _TRIAL or not self._main
            (self._trial if crowded else self._main).popitem(last=False)
            self.evicted += 1
