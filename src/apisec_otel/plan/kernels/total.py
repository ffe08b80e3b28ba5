"""total: the sum of a number over the rows of a key, the row itself counted."""

from __future__ import annotations

from datetime import timedelta

from apisec_otel.plan.column import Logic, Number
from apisec_otel.plan.kernel import Kernel, Key, Memory, ask, nanoseconds

TOTAL = Kernel(
    name="total",
    family="tally",
    operands=(("value", "number"), ("by", "id"), ("where", "logic")),
    cells=9,
    expiry=lambda settings: int(settings["within"]),
)


def total(memory: Memory, value: Number, *, by: Key, where: Logic | None = None, within: timedelta) -> Number:
    """The sum of `value` over rows of the same key within a sliding time, this row counted; missing values add nothing.

    >>> state.total(row.response_size, by=row.principal, within=timedelta(hours=1))  # doctest: +SKIP
    """
    operands = {"value": value, "by": by, "where": where}
    return ask(memory, TOTAL, operands, within=nanoseconds("total", "within", within))
