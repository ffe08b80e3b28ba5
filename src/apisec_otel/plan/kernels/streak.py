"""streak: how many rows of a key in a row a condition held, the row itself counted."""

from __future__ import annotations

from datetime import timedelta

from apisec_otel.plan.column import Logic, Number
from apisec_otel.plan.kernel import DAY, Kernel, Key, Memory, ask, nanoseconds

STREAK = Kernel(
    name="streak",
    family="tally",
    operands=(("condition", "logic"), ("by", "id"), ("where", "logic")),
    cells=2,
    expiry=lambda settings: int(settings["within"]),
    ordered=True,
)


def streak(memory: Memory, condition: Logic, *, by: Key, where: Logic | None = None, within: timedelta = DAY) -> Number:
    """Rows of the same key in a row for which `condition` held, this row counted; 0 where it does not hold.

    A row where it is unknown, or `where` does not hold, is passed over; a pause longer than `within` ends a streak.

    >>> state.streak(row.denied, by=row.actor)  # doctest: +SKIP
    """
    operands = {"condition": condition, "by": by, "where": where}
    return ask(memory, STREAK, operands, within=nanoseconds("streak", "within", within))
