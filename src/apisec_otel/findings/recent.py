"""A map that knows which of its keys were touched longest ago, and that can be copied while it changes."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

PAGE = 128
"""Keys of a page: so many are listed at once."""


class Recent(Generic[K, V]):
    """Keys in the order in which they were last put, in pages.

    An ordered dict cannot be read while it changes, and listing one of 262,144 keys takes 30 ms. A page is listed in
    microseconds; a key that is put while a copy is under way moves to the last page, and is copied again there.

    >>> recent = Recent()
    >>> for key in "aba":
    ...     recent.put(key, key.upper())
    >>> recent.first(), list(recent.pages())
    (('b', 'B'), [[('b', 'B'), ('a', 'A')]])
    """

    def __init__(self) -> None:
        self._pages: dict[int, dict[K, V]] = {}
        self._page_of: dict[K, int] = {}
        self._oldest = self._newest = 0

    def __len__(self) -> int:
        return len(self._page_of)

    def get(self, key: K) -> V | None:
        """The value of a key, which stays where it is."""
        page = self._page_of.get(key)
        return None if page is None else self._pages[page][key]

    def put(self, key: K, value: V) -> None:
        """Sets a value; its key is the one put last."""
        self._drop(key)
        page = self._pages.setdefault(self._newest, {})
        if len(page) >= PAGE:
            self._newest += 1
            page = self._pages[self._newest] = {}
        page[key] = value
        self._page_of[key] = self._newest

    def first(self) -> tuple[K, V] | None:
        """The key put longest ago, and its value."""
        if not self._page_of:
            return None
        while not self._pages.get(self._oldest):
            self._pages.pop(self._oldest, None)
            self._oldest += 1
        return next(iter(self._pages[self._oldest].items()))

    def pop(self) -> tuple[K, V] | None:
        """Removes the key put longest ago."""
        first = self.first()
        if first is not None:
            self._drop(first[0])
        return first

    def pages(self) -> Iterator[list[tuple[K, V]]]:
        """What there is, page after page, as it is when its page is asked for; puts in between are seen, or seen again.

        Under puts without end it stops at four times the pages that there were.
        """
        number, left = self._oldest, 4 * (self._newest - self._oldest) + 16
        while number <= self._newest and left:
            if page := self._pages.get(number):
                left -= 1
                yield list(page.items())
            number += 1

    def _drop(self, key: K) -> None:
        page = self._page_of.pop(key, None)
        if page is not None:
            del self._pages[page][key]
            if not self._pages[page] and page != self._newest:
                del self._pages[page]
