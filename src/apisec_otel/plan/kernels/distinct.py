"""distinct: how many different ids the rows of a key had, the row itself counted."""

from __future__ import annotations

from datetime import timedelta

from apisec_otel.plan.column import Logic, Number
from apisec_otel.plan.kernel import Kernel, Key, Memory, ask, nanoseconds
from apisec_otel.plan.node import PlanError

_MOST_VALUES = 65_536

DISTINCT = Kernel(
    name="distinct",
    family="tally",
    operands=(("of", "id"), ("by", "id"), ("where", "logic")),
    cells=2,
    spill=lambda settings: int(settings["limit"]),
    expiry=lambda settings: int(settings["within"]),
)


def distinct(memory: Memory, of: Key, *, by: Key, where: Logic | None = None, within: timedelta, limit: int = 1024) -> Number:
    """Different values of `of` in rows of the same key within a sliding time, this row counted; never more than `limit`.

    >>> state.distinct(row.object_id, by=(row.principal, row.endpoint), within=timedelta(minutes=10))  # doctest: +SKIP
    """
    if not 1 <= limit <= _MOST_VALUES:
        raise PlanError(f"distinct: `limit` is {limit}; between 1 and {_MOST_VALUES:,} values a key are kept.")
    length = nanoseconds("distinct", "within", within, note=f"memory: 8 parts x {limit} values x key")
    return ask(memory, DISTINCT, {"of": of, "by": by, "where": where}, within=length, limit=limit)
