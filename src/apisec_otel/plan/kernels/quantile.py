"""quantile: the value that a share of the teachers stays at or below."""

from __future__ import annotations

from apisec_otel.plan.column import Logic, Number
from apisec_otel.plan.kernel import Key, Memory, ask, bounded
from apisec_otel.plan.kernels import baseline

QUANTILE = baseline.kernel("quantile")


def quantile(memory: Memory, value: Number, q: float, *, by: Key, taught_by: Key, where: Logic | None = None) -> Number:
    """What a share `q` of the teachers of a key stay at or below, as learned before this row; missing below 20 teachers.

    The other side of `tail`: what a share 1 - q of teachers is at or above.

    >>> state.quantile(seen, 0.999, by=row.endpoint, taught_by=row.principal)  # doctest: +SKIP
    """
    bounded("quantile", "q", q, 0, 1)
    operands = {"value": value, "by": by, "taught_by": taught_by, "where": where}
    return ask(memory, QUANTILE, operands, q=q, window=baseline.window("quantile", value))
