"""Carries what waits, in a thread of its own: the pipelines never wait for a pager."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from apisec_otel.exporters.post import Answer

log = logging.getLogger(__name__)

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 300.0
"""Seconds between tries where the other side says: later. Doubled each time, or as long as it asks."""
IDLE: Final = 60.0
"""Seconds between looks when nothing waits."""


class Backoff:
    """How long to wait for the next try."""

    def __init__(self) -> None:
        self._pause = FIRST_PAUSE

    def after(self, answer: Answer) -> float:
        """Seconds until the next try; 0 when the answer was one for good."""
        if not answer.later:
            self._pause = FIRST_PAUSE
            return 0.0
        pause, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE)
        return min(max(pause, answer.retry_after or 0.0), LONGEST_PAUSE)


class Courier:
    """Calls `turn`, which does what is due and answers the seconds until it wants to be called again, and whenever it is woken."""

    def __init__(self, name: str, turn: Callable[[], float]) -> None:
        self._name, self._turn = name, turn
        self._changed = threading.Event()
        self._ending = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """From now on."""
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something to do."""
        self._changed.set()

    def stop(self, timeout: float = 5.0) -> None:
        """One more turn, at most so many seconds."""
        self._ending = True
        self._changed.set()
        if self._thread is not None:
            self._thread.join(timeout)
            self._thread = None

    def _run(self) -> None:
        while True:
            ending = self._ending
            self._changed.clear()
            try:
                pause = self._turn()
            except Exception:
                log.exception("%s failed; it is tried again", self._name)
                pause = LONGEST_PAUSE
            if ending:
                return
            self._changed.wait(min(pause, IDLE))
