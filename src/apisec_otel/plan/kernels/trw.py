"""trw: a threshold random walk, the log-odds that a key fails like an attacker rather than like a user."""

from __future__ import annotations

import math
from datetime import timedelta

from apisec_otel.plan.column import Logic, Number
from apisec_otel.plan.kernel import DAY, Kernel, Key, Memory, ask, bounded, nanoseconds
from apisec_otel.plan.node import PlanError

FALSE_ALARMS = 1e-5
MISSED = 0.01
_FLOOR = math.log(MISSED / (1 - FALSE_ALARMS))
_CEILING = 12 * math.log(10)

TRW = Kernel(
    name="trw",
    family="tally",
    operands=(("failed", "logic"), ("by", "id"), ("where", "logic")),
    cells=2,
    expiry=lambda settings: 10 * int(settings["half_life"]),
)


def trw(
    memory: Memory,
    failed: Logic,
    *,
    by: Key,
    where: Logic | None = None,
    normal: float = 0.1,
    attack: float = 0.6,
    half_life: timedelta = timedelta(minutes=30),
) -> Number:
    """Log-odds after the trials of a key, this row counted: up at each failure, down at each success, halved each `half_life`.

    `normal` and `attack` are the shares of trials that fail for users and attackers. At log(0.99 / 1e-5) = 11.5 one in 100,000
    honest keys is judged wrongly; p = min(1, exp(-log-odds)).

    >>> state.trw(row.login_failed, by=row.client, where=row.login)  # doctest: +SKIP
    """
    bounded("trw", "normal", normal, 0, 1)
    bounded("trw", "attack", attack, 0, 1)
    if normal >= attack:
        raise PlanError(f"trw: `normal` is {normal:g} and `attack` {attack:g}; an attacker must fail more often than a user.")
    half = nanoseconds("trw", "half_life", half_life, bounds=(timedelta(seconds=1), 7 * DAY))
    operands = {"failed": failed, "by": by, "where": where}
    return ask(memory, TRW, operands, normal=normal, attack=attack, half_life=half, floor=_FLOOR, ceiling=_CEILING)
