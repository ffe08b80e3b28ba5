"""rate: rows a second. Composed of count; the native side knows no rate."""

from __future__ import annotations

from datetime import timedelta

from apisec_otel.plan.column import Logic, Number
from apisec_otel.plan.kernel import Key, Memory
from apisec_otel.plan.kernels.count import count


def rate(memory: Memory, *, by: Key, where: Logic | None = None, within: timedelta) -> Number:
    """Rows of the same key a second, as a mean over a sliding time, this row counted.

    >>> state.rate(by=row.client, within=timedelta(minutes=1))  # doctest: +SKIP
    """
    return count(memory, by=by, where=where, within=within) / within.total_seconds()
