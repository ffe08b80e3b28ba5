"""What all that learns shares: one value a teacher and window, taught when the window has closed."""

from __future__ import annotations

from datetime import timedelta

from apisec_otel.plan.column import Column, described
from apisec_otel.plan.kernel import DAY, NANO, Kernel
from apisec_otel.plan.node import Kind, PlanError

PENDING_CELLS = 5
TEACHERS = 20
_BINS = 8 * 64 + 2
_TOP = 128
_DEFAULT_WINDOW = timedelta(minutes=10)


def kernel(
    name: str,
    *,
    operand: str = "value",
    kind: Kind = "number",
    own: bool = False,
    cells: int = 8,
    words: int = 2 * _BINS + _TOP + TEACHERS,
) -> Kernel:
    """The declaration of one question; unless said otherwise to the histogram that quantile and tail share."""
    return Kernel(
        name=name,
        family="baseline",
        operands=((operand, kind), ("by", "id"), ("taught_by", "id"), ("where", "logic")),
        own=operand if own else "",
        cells=cells,
        spill=lambda settings: words,
        expiry=lambda settings: 7 * DAY // timedelta(microseconds=1) * 1_000,
    )


def window(asker: str, value: Column | tuple[Column, ...]) -> int:
    """How long a teacher's window is, in ns and whole seconds: the largest `within` of the tallies under the value, else 10 min."""
    parts = value if isinstance(value, tuple) else (value,)
    for part in parts:
        if not isinstance(part, Column):
            raise PlanError(f"{asker}: a column of a row is wanted; {described(part)}.")
    nodes = [part.graph[position] for part in parts for position in part.graph.below(part.position)]
    lengths = [int(node.setting("within")) for node in nodes if "within" in dict(node.settings)]
    longest = max(lengths, default=int(_DEFAULT_WINDOW.total_seconds()) * NANO)
    return -(-longest // NANO) * NANO
