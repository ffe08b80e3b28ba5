"""A check: a name, and a function that raises AssertionError with a sentence where something is not as it should be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """Call it; as a text it is its name, which pytest takes as an id."""

    name: str
    run: Callable[[], None]

    def __str__(self) -> str:
        return self.name

    def __call__(self) -> None:
        """Raises AssertionError when it is not passed."""
        self.run()


def expect(holds: object, sentence: str) -> None:
    """Fails with the sentence unless it holds."""
    if not holds:
        raise AssertionError(sentence)


def same(found: object, wanted: object, what: str) -> None:
    """Fails unless both are equal."""
    expect(found == wanted, f"{what}: {found!r} instead of {wanted!r}")


def one(of: Callable[..., None], *subject: Any, about: str = "") -> Check:
    """A function as a check, called as it is; `about` is which of several like it."""
    return Check(f"{of.__name__}[{about}]" if about else of.__name__, partial(of, *subject))
