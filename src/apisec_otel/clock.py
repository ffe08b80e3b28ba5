"""The one place where a clock is read; everything else is handed a Clock."""

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Where time comes from; injected, so that tests and replay decide what time it is."""

    def now(self) -> int:
        """Nanoseconds since 1970, of the wall clock."""
        ...

    def monotonic(self) -> int:
        """Nanoseconds that never go back, for durations."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Nanoseconds since 1970."""
        return time.time_ns()

    def monotonic(self) -> int:
        """Nanoseconds since some start."""
        return time.monotonic_ns()


@dataclass(slots=True)
class ManualClock:
    """A clock that stands still until told otherwise."""

    at: int = 0
    """Nanoseconds; both faces of the clock answer it."""

    def now(self) -> int:
        """The time it was set to."""
        return self.at

    def monotonic(self) -> int:
        """The time it was set to."""
        return self.at

    def advance(self, seconds: float) -> None:
        """Moves the clock on."""
        self.at += int(seconds * 1e9)
