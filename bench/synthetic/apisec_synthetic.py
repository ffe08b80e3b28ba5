"""Twenty synthetic detectors: the load that a grown catalogue puts on the plan. They look for nothing in particular."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from apisec_otel.api import Number, Request, Severity, Signal, State, maximum

KEYS = ("principal", "session", "client", "credential", "network")
VALUES = ("object_id", "endpoint", "user_agent", "path")


def _make(number: int) -> type:
    key, value, minutes = KEYS[number % len(KEYS)], VALUES[number // len(KEYS)], 5 + number

    @dataclass(frozen=True, kw_only=True)
    class Synthetic:
        """One key meets far more values than others do."""

        owasp: ClassVar[str] = "API4:2023"
        severity: ClassVar[Severity] = "low"

        window: timedelta = timedelta(minutes=minutes)
        """Counted over this long."""
        at_least: int = 100_000
        """Never raised at or below this many."""

        def signals(self, row: Request, state: State) -> Iterator[Signal]:
            """One tally, one ratio and one baseline."""
            by = getattr(row, key)
            seen: Number = state.distinct(getattr(row, value), by=by, where=row.succeeded, within=self.window)
            failed = state.count(by=by, where=row.failed, within=self.window)
            usual = state.quantile(seen, 0.999, by=row.endpoint, taught_by=by)
            yield Signal(
                when=(seen > maximum(self.at_least, 3 * usual)) & (failed > 5),
                p=state.tail(seen, by=row.endpoint, taught_by=by),
                entity=by,
                evidence={"values": (seen, usual)},
                because="{values.observed:.0f} values in {window}; others meet {values.expected:.0f}",
            )

    Synthetic.__name__ = Synthetic.__qualname__ = f"Synthetic{number:02}"
    return Synthetic


globals().update({f"Synthetic{number:02}": _make(number) for number in range(20)})
