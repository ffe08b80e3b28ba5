"""Twenty synthetic detectors: the load that a grown catalogue puts on the plan. They look for nothing in particular.

Four kinds, each by five keys: distinct values beside a baseline, a sequential test, a rate, a sum of sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from apisec_otel.api import Id, Request, Severity, Signal, State, exp, maximum, minimum

KEYS = ("principal", "session", "client", "credential", "network")
Kind = Callable[[Request, State, Id, timedelta], Signal]


def _distinct(row: Request, state: State, by: Id, window: timedelta) -> Signal:
    seen = state.distinct(row.object_id, by=(by, row.endpoint), where=row.succeeded, within=window)
    usual = state.quantile(seen, 0.999, by=row.endpoint, taught_by=by)
    p = state.tail(seen, by=row.endpoint, taught_by=by)
    return Signal(when=seen > maximum(100_000, 3 * usual), p=p, entity=by, evidence={"objects": (seen, usual)}, because="too many")


def _sequential(row: Request, state: State, by: Id, window: timedelta) -> Signal:
    odds = state.trw(row.denied, by=by, half_life=window)
    return Signal(when=(odds > 27) & row.denied, p=minimum(1, exp(-odds)), entity=by, because="denied too often")


def _rate(row: Request, state: State, by: Id, window: timedelta) -> Signal:
    asked = state.count(by=by, within=window)
    failed = state.count(by=by, where=row.failed, within=window)
    return Signal(when=(asked > 1_000_000) & (failed > asked / 2), entity=by, evidence={"requests": asked}, because="too often")


def _sum(row: Request, state: State, by: Id, window: timedelta) -> Signal:
    size = state.total(row.duration, by=by, within=window)
    return Signal(when=(size > 1e9) & (row.duration > 10), entity=by, evidence={"seconds": size}, because="too dear")


KINDS: tuple[Kind, ...] = (_distinct, _sequential, _rate, _sum)


def _make(number: int) -> type:
    key, kind, minutes = KEYS[number % len(KEYS)], KINDS[number // len(KEYS)], 5 + number

    @dataclass(frozen=True, kw_only=True)
    class Synthetic:
        """One key does far more than others do."""

        owasp: ClassVar[str] = "API4:2023"
        severity: ClassVar[Severity] = "low"

        window: timedelta = timedelta(minutes=minutes)
        """Looked at over this long."""

        def signals(self, row: Request, state: State) -> Iterator[Signal]:
            """One statement of its kind."""
            yield kind(row, state, getattr(row, key), self.window)

    Synthetic.__name__ = Synthetic.__qualname__ = f"Synthetic{number:02}"
    return Synthetic


globals().update({f"Synthetic{number:02}": _make(number) for number in range(20)})
