"""Whether delivered spans come back: how a loop is noticed, and when it is over.

Somebody points the backend (or the Collector behind us) at our own receiver, and every span comes again for ever. The transport
counts, with each delivery, how many spans the backend had acknowledged before; what is decided here, once a minute, is whether
those are withheld. Only they ever are, so a rule that is wrong costs no span (docs/decisions/0015).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from apisec_otel.clock import Clock
from apisec_otel.telemetry import Telemetry

log = logging.getLogger(__name__)

MINUTE: Final = 60 * 10**9
"""Nanoseconds; the rule looks at whole minutes."""
LEAST: Final = 1_000
"""A loop is not seen in a minute of fewer spans."""
CHANCE: Final = 4
"""Standard deviations by which a sample must be past the half: spans that two Collectors send once each are half, and no loop."""
BACK: Final = "spans that were delivered come back: is the backend's exporter pointed at this receiver?"


class Memory(Protocol):
    """What an exporter's backend is known to have."""

    @property
    def delivered_bytes(self) -> int:
        """Memory held."""
        ...

    def turn(self) -> None:
        """Forgets what was last delivered ten turns ago."""
        ...


@dataclass(kw_only=True, slots=True)
class Minute:
    """What was delivered in a minute."""

    spans: int = 0
    looked: int = 0
    """Spans looked at: a sample, or all while some may be withheld."""
    known: int = 0
    """Those of them that the backend had acknowledged before, and, while some may be withheld, those that came before its answer."""
    withheld: int = 0

    def begins_loop(self) -> bool:
        """Whether most of the spans had been delivered before, and not by chance of the sample."""
        ahead = 2 * self.known - self.looked
        return self.spans >= LEAST and ahead > 0 and ahead**2 > CHANCE**2 * self.looked

    def goes_on(self) -> bool:
        """Whether most of what was sent came back. A span that is withheld comes back once and not again, so of a whole loop half are."""
        return 2 * self.known > self.looked - self.withheld


@dataclass(kw_only=True)
class Loops:
    """The state of one exporter: watching, or withholding what comes back."""

    exporter: str
    """Its id."""
    clock: Clock
    telemetry: Telemetry
    found: bool = False
    """Whether spans that were delivered before are withheld now."""
    _minute: Minute = field(default_factory=Minute)
    _since: int = 0
    _withheld: int = 0
    _turn: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        """Begins the first minute."""
        self._since = self.clock.monotonic()

    def follow(self, memory: Memory) -> None:
        """Lets time pass for this memory, and tells its size."""
        self._turn = memory.turn
        self.telemetry.observe("apisec_delivered_bytes", lambda: memory.delivered_bytes, exporter=self.exporter)

    def count(self, spans: int, looked: int, known: int, withheld: int) -> None:
        """Adds a delivery to the minute in hand."""
        minute = self._minute
        minute.spans += spans
        minute.looked += looked
        minute.known += known
        minute.withheld += withheld

    def look(self) -> None:
        """Ends the minute when it is over; called now and then, also when nothing comes."""
        now = self.clock.monotonic()
        if now - self._since < MINUTE:
            return
        minute, self._minute, self._since = self._minute, Minute(), now
        self._turn()
        self._withheld += minute.withheld
        if self.found != (minute.goes_on() if self.found else minute.begins_loop()):
            self._change()

    def degraded(self) -> dict[str, str]:
        """What the health report says."""
        return {self.exporter: BACK} if self.found else {}

    def _change(self) -> None:
        self.found = not self.found
        if self.found:
            log.warning("%s: %s They are answered and not sent again", self.exporter, BACK)
        else:
            log.info("%s: delivered spans no longer come back; %d were not sent again", self.exporter, self._withheld)
        self._withheld = 0
