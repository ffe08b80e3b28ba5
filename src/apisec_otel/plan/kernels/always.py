"""always: in what share of windows a condition holds at least."""

from __future__ import annotations

from apisec_otel.plan.column import Logic, Number
from apisec_otel.plan.kernel import Key, Memory, ask
from apisec_otel.plan.kernels import baseline

ALWAYS = baseline.kernel("always", operand="condition", kind="logic", cells=3, words=baseline.TEACHERS)


def always(memory: Memory, condition: Logic, *, by: Key, taught_by: Key, where: Logic | None = None) -> Number:
    """The share of teachers' windows in which the condition holds throughout, at least, with 99 % certainty; missing below 20 teachers.

    The 1 % quantile of Beta(1 + held, 1 + broken): 0.955 after 100 windows that held, 0.985 after 300, 0.991 after 500. A
    teacher that breaks it breaks one window, however often.

    >>> state.always(row.authenticated, by=row.endpoint, taught_by=row.client, where=row.succeeded)  # doctest: +SKIP
    """
    operands = {"condition": condition, "by": by, "taught_by": taught_by, "where": where}
    return ask(memory, ALWAYS, operands, window=baseline.window("always", condition))
