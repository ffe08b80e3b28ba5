"""last: the value that the row of a key before this one had."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar

from apisec_otel.plan.column import Id, Logic, Number
from apisec_otel.plan.kernel import DAY, Kernel, Key, Memory, asked, nanoseconds
from apisec_otel.plan.node import Kind

Face = TypeVar("Face", Number, Id)


def _kernel(name: str, kind: Kind) -> Kernel:
    return Kernel(
        name=name,
        family="tally",
        operands=(("value", kind), ("by", "id"), ("where", "logic")),
        cells=2,
        expiry=lambda settings: int(settings["within"]),
        ordered=True,
        answer=kind,
    )


LAST = _kernel("last", "number")
LAST_ID = _kernel("last_id", "id")


def last(memory: Memory, value: Face, *, by: Key, where: Logic | None = None, within: timedelta = DAY) -> Face:
    """The number or id in the key's counted row before this one; missing when there is none within `within`.

    Rows in which `value` is missing are not counted.

    >>> state.last(row.object_number, by=(row.actor, row.endpoint))  # doctest: +SKIP
    """
    operands = {"value": value, "by": by, "where": where}
    kernel = LAST_ID if isinstance(value, Id) else LAST
    return type(value)(memory.graph, asked(memory, kernel, operands, within=nanoseconds("last", "within", within)))
