"""Carries what waits, in a thread of its own: the pipelines never wait for a pager."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from apisec_otel.clock import Clock
from apisec_otel.exporters.post import Answer

log = logging.getLogger(__name__)

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 300.0
"""Seconds between tries where the other side says: later. Doubled each time, or as long as it asks."""
LONGEST_WISH: Final = 3600.0
"""Seconds for which it may ask."""
IDLE: Final = 60.0
"""Seconds between looks when nothing waits."""


class Backoff:
    """When the next try may be, and what is wrong."""

    def __init__(self, clock: Clock, name: str) -> None:
        self._clock, self._name = clock, name
        self._pause, self._not_before = FIRST_PAUSE, 0
        self.failure = ""
        """Why the last try failed; empty when it did not."""

    def left(self) -> float:
        """Seconds until the next try; 0: now."""
        return max(0, self._not_before - self._clock.monotonic()) / 1e9

    def note(self, answer: Answer) -> None:
        """Takes the answer to a try; of several failures one after the other the first is told."""
        if answer.taken:
            if self.failure:
                log.info("%s: it takes incidents again", self._name)
            self.failure = ""
        else:
            if not self.failure:
                log.warning("%s: %s; %s", self._name, answer.message, "it is tried again" if answer.later else "this is not tried again")
            self.failure = answer.message
        self.wait(self._after(answer) if answer.later else 0.0)
        if not answer.later:
            self._pause = FIRST_PAUSE

    def wait(self, seconds: float) -> None:
        """No try before."""
        self._not_before = self._clock.monotonic() + int(seconds * 1e9)

    def _after(self, answer: Answer) -> float:
        pause, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE)
        return max(pause, min(answer.retry_after or 0.0, LONGEST_WISH))


class Courier:
    """Calls `turn`, which does what is due and answers the seconds until it wants to be called again, and whenever it is woken."""

    def __init__(self, name: str, turn: Callable[[], float], end: Callable[[], None]) -> None:
        self._name, self._turn, self._end = name, turn, end
        self._changed = threading.Event()
        self._thread: threading.Thread | None = None
        self._ending = False
        self.abandoned = False
        """Nobody waits for the turn any more: it should end."""

    def start(self) -> None:
        """From now on."""
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something to do."""
        self._changed.set()

    def stop(self, timeout: float = 5.0) -> None:
        """One more turn and the end, at most so many seconds; a turn that hangs ends behind our back."""
        self._ending = True
        self._changed.set()
        if self._thread is not None:
            self._thread.join(timeout)
            self.abandoned, self._thread = True, None
        else:
            self._end()

    def _run(self) -> None:
        while True:
            self._changed.clear()
            if self._ending:
                break
            self._changed.wait(min(self._safely(), IDLE))
        self._safely()
        self._end()

    def _safely(self) -> float:
        try:
            return self._turn()
        except Exception as error:
            log.error("%s failed; it is tried again: %s", self._name, type(error).__name__, exc_info=error)
            return IDLE
