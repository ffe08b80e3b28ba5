"""owner: whether somebody else owns the object that a row touches."""

from __future__ import annotations

from apisec_otel.plan.column import Id, Logic, Number
from apisec_otel.plan.kernel import Kernel, Key, Memory, ask
from apisec_otel.plan.node import PlanError

_EXPIRY = 7 * 24 * 3600 * 1_000_000_000

OWNER = Kernel(
    name="owner",
    family="tally",
    operands=(("principal", "id"), ("by", "id"), ("where", "logic")),
    own="principal",
    cells=2,
    expiry=lambda settings: _EXPIRY,
)


def owner(memory: Memory, object: Key, *, by: Key, principal: Key, where: Logic | None = None) -> Number:
    """1 where another principal owns the object, 0 where this one does; missing while nobody is known to.

    The first principal of a counted row owns the object, once it comes back a second later or more. `by` is what makes the
    object's name one of a kind: its endpoint or service. Objects are forgotten after 7 days without a counted row; 80 bytes each.

    >>> state.owner(row.object_id, by=row.endpoint, principal=row.principal, where=row.succeeded)  # doctest: +SKIP
    """
    return ask(memory, OWNER, {"principal": principal, "by": (*_parts(by), *_parts(object)), "where": where})


def _parts(key: Key) -> tuple[Id, ...]:
    parts = key if isinstance(key, tuple) else (key,)
    if not parts:
        raise PlanError("owner: `object` or `by` is an empty tuple; an id is wanted.")
    return parts
