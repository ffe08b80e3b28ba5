"""count: how many rows of a key, the row itself counted."""

from __future__ import annotations

from datetime import timedelta

from apisec_otel.plan.column import Logic, Number
from apisec_otel.plan.kernel import Kernel, Key, Memory, ask, nanoseconds

COUNT = Kernel(
    name="count",
    family="tally",
    operands=(("by", "id"), ("where", "logic")),
    cells=5,
    expiry=lambda settings: int(settings["within"]),
)


def count(memory: Memory, *, by: Key, where: Logic | None = None, within: timedelta) -> Number:
    """Rows of the same key within a sliding time, this row counted.

    >>> state.count(by=row.client, where=row.login_failed, within=timedelta(minutes=10))  # doctest: +SKIP
    """
    return ask(memory, COUNT, {"by": by, "where": where}, within=nanoseconds("count", "within", within))
