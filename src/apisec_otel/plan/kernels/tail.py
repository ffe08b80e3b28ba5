"""tail: the share of teachers at or above a value."""

from __future__ import annotations

from apisec_otel.plan.column import Logic, Number
from apisec_otel.plan.kernel import Key, Memory, ask
from apisec_otel.plan.kernels import baseline

TAIL = baseline.kernel("tail", own=True)


def tail(memory: Memory, value: Number, *, by: Key, taught_by: Key, where: Logic | None = None) -> Number:
    """The share of teachers of a key at or above this row's value, as learned before it: a p-value; missing below 20 teachers.

    (1 + at or above) / (1 + taught) while few have taught, and never below 1 / (1 + taught); from 1,280 contributions on the
    largest are continued by a fitted tail. A top that outruns the key's slow reference (1.1 a day for its median, 1.01 for
    its 0.99 quantile over its median) is scaled back to it.

    >>> state.tail(seen, by=row.endpoint, taught_by=row.principal)  # doctest: +SKIP
    """
    operands = {"value": value, "by": by, "taught_by": taught_by, "where": where}
    return ask(memory, TAIL, operands, window=baseline.window("tail", value))
