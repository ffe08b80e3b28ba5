"""surprise: how unusual an id is after the one before it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from apisec_otel.plan.column import Id, Logic, Number
from apisec_otel.plan.kernel import DAY, Key, Memory, ask, in_order
from apisec_otel.plan.kernels import baseline
from apisec_otel.plan.kernels.last import last

_VALUES = 64

SURPRISE = replace(
    baseline.kernel("surprise", operand="value", kind="id", own=True, cells=3, words=2 * _VALUES + baseline.TEACHERS), ordered=True
)


def surprise(
    memory: Memory, value: Id, *, by: Key, taught_by: Key | None = None, where: Logic | None = None, within: timedelta = DAY
) -> Number:
    """Bits of surprise at `value` after the one in the key's row before: 0 is certain, 1 a toss of a coin; missing below 20 teachers.

    What follows what is learned over all keys, fading by half in a day; 64 successors of each value are kept. A teacher
    (`taught_by`, else the key) teaches one successor of each value a window, drawn anew in each. The row before must be
    at most `within` old.

    >>> state.surprise(row.endpoint, by=row.session, taught_by=row.actor)  # doctest: +SKIP
    """
    in_order(memory, SURPRISE)
    before = last(memory, value, by=by, where=where, within=within)
    operands = {"value": value, "by": before, "taught_by": by if taught_by is None else taught_by, "where": where}
    return ask(memory, SURPRISE, operands, window=baseline.window("surprise", value))
