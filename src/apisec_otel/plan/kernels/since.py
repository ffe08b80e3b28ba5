"""since: how long ago the row of a key before this one was."""

from __future__ import annotations

from datetime import timedelta

from apisec_otel.plan.column import Logic, Number
from apisec_otel.plan.kernel import DAY, Kernel, Key, Memory, ask, nanoseconds

SINCE = Kernel(
    name="since",
    family="tally",
    operands=(("by", "id"), ("where", "logic")),
    cells=1,
    expiry=lambda settings: int(settings["within"]),
    ordered=True,
)


def since(memory: Memory, *, by: Key, where: Logic | None = None, within: timedelta = DAY) -> Number:
    """Seconds since the key's counted row before this one; missing when there is none within `within`.

    >>> state.since(by=row.session)  # doctest: +SKIP
    """
    return ask(memory, SINCE, {"by": by, "where": where}, within=nanoseconds("since", "within", within))
