"""A detector of items, as `docs/how-to/write-a-detector.md` shows its method."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from apisec_otel.api import Item, Severity, Signal, State


@dataclass(frozen=True, kw_only=True)
class LongParameter:
    """A query parameter is far longer than others send it."""

    owasp: ClassVar[str] = "API8:2023"
    severity: ClassVar[Severity] = "medium"

    def signals(self, row: Item, state: State) -> Iterator[Signal]:
        usual = state.quantile(row.length, 0.99, by=(row.endpoint, row.name), taught_by=row.actor)
        yield Signal(
            when=row.in_query & (row.length > 64) & (row.length > 4 * usual),
            entity=row.actor,
            evidence={"length": (row.length, usual)},
            because="{item} of {endpoint} has {length.observed:.0f} bytes; 99 of 100 callers send at most {length.expected:.0f}",
        )
