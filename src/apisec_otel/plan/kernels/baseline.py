"""What quantile and tail share: one histogram a key, taught one value a teacher and window, when the window has closed."""

from __future__ import annotations

from datetime import timedelta

from apisec_otel.plan.column import Number, described
from apisec_otel.plan.kernel import DAY, NANO, Kernel
from apisec_otel.plan.node import PlanError

PENDING_CELLS = 5
_BINS = 8 * 64 + 2
_TEACHERS = 20
_DEFAULT_WINDOW = timedelta(minutes=10)


def kernel(name: str) -> Kernel:
    """The declaration of one question to the shared histogram."""
    return Kernel(
        name=name,
        family="baseline",
        operands=(("value", "number"), ("by", "id"), ("taught_by", "id"), ("where", "logic")),
        cells=3,
        spill=lambda settings: 2 * _BINS + _TEACHERS,
        expiry=lambda settings: 7 * DAY // timedelta(microseconds=1) * 1_000,
    )


def window(asker: str, value: Number) -> int:
    """How long a teacher's window is, in ns and whole seconds: the largest `within` of the tallies under the value, else 10 min."""
    if not isinstance(value, Number):
        raise PlanError(f"{asker}: `value` is a number; {described(value)}.")
    nodes = [value.graph[position] for position in value.graph.below(value.position)]
    lengths = [int(node.setting("within")) for node in nodes if "within" in dict(node.settings)]
    longest = max(lengths, default=int(_DEFAULT_WINDOW.total_seconds()) * NANO)
    return -(-longest // NANO) * NANO
