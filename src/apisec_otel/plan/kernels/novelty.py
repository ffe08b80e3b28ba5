"""novelty: how likely an id is that a key never had."""

from __future__ import annotations

from apisec_otel.plan.column import Logic, Number
from apisec_otel.plan.kernel import Key, Memory, ask
from apisec_otel.plan.kernels import baseline

_VALUES = 256

NOVELTY = baseline.kernel("novelty", operand="value", kind="id", own=True, cells=4, words=_VALUES + baseline.TEACHERS)


def novelty(memory: Memory, value: Key, *, by: Key, taught_by: Key, where: Logic | None = None) -> Number:
    """1 for a value that teachers of the key had before, else the chance that a new one comes; missing below 20 teachers.

    The chance is (1 + values taught once) / (1 + values taught), as Good and Turing estimate it. Each teacher teaches one
    of its values a window, drawn anew in each. 256 values a key are kept; what is taught beyond them counts as taught
    once, so a key that has always something new says so and stays near 1.

    >>> state.novelty(row.endpoint, by=row.service, taught_by=row.principal)  # doctest: +SKIP
    """
    operands = {"value": value, "by": by, "taught_by": taught_by, "where": where}
    return ask(memory, NOVELTY, operands, window=baseline.window("novelty", value))
