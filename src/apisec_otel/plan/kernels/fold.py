"""fold: whatever else a key's rows say one after the other, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from apisec_otel.plan.column import Logic, Number
from apisec_otel.plan.kernel import DAY, Kernel, Key, Memory, asked_of
from apisec_otel.plan.kernels.apply import called, columns_of, name_of
from apisec_otel.plan.keys import Keys
from apisec_otel.plan.node import PlanError, Setting
from apisec_otel.plan.outside import Running, Value, code_of, known

KEYS = 16_384
"""Keys that one fold keeps at most."""
PAGE = 256
"""Keys that are copied at once into a snapshot."""
NUMBERS = 16
"""Numbers that a key's state may have at most."""

State = float | tuple[float, ...]

FOLD = Kernel(
    name="fold",
    family="tally",
    operands=(("by", "id"), ("where", "logic")),
    leading="column",
    outside=True,
    cells=0,
    expiry=lambda settings: DAY // DAY.resolution * 1_000,
    ordered=True,
)


@dataclass(frozen=True)
class Fold:
    """A step and what it begins with."""

    step: Callable[..., Any]
    start: State

    def running(self) -> Running:
        """With no key known."""
        return _Folded(self)


class _Folded(Running):
    def __init__(self, spec: Fold) -> None:
        super().__init__(name_of(spec.step))
        self._step, self._start = spec.step, spec.start
        self._kept: Keys[State] = Keys(KEYS)

    @property
    def keys(self) -> int:
        return len(self._kept)

    @property
    def evicted(self) -> int:
        return self._kept.evicted

    def restart(self) -> None:
        self._kept.clear()

    def snapshot(self) -> Iterator[list[Any]]:
        yield from self._kept.pages(PAGE)

    def take(self, page: Iterable[Any]) -> None:
        for key, since, state in page:
            self._kept.take(int(key), since, state_of(tuple(state) if isinstance(state, list) else state))

    def row(self, values: tuple[Value, ...], key: int, counted: bool, asked: bool, time: int) -> float:
        if key == 0:
            return math.nan
        kept = self._kept.get(key)
        state = self._start if kept is None else kept
        if counted and known(values):
            state = state_of(self._step(state, *values))
            self._kept.put(key, state, time)
        return state[0] if isinstance(state, tuple) else state


def fold(memory: Memory, step: Callable[..., State], start: State, *columns: Number | Logic, by: Key, where: Logic | None = None) -> Number:
    """The state of a key after this row: `step(state, *values)` of each of its rows in order, beginning with `start`.

    A state is a number or a tuple of up to 16, whose first is the answer. Values are floats, and conditions as bool; a row
    in which one is missing is no step. Runs Python for each row. What `step` raises is counted: that row is no step, its
    answer is missing. 16,384 keys are kept at most; those seen once go first.

    >>> state.fold(lambda most, seconds: max(most, seconds), 0.0, row.duration, by=row.session)  # doctest: +SKIP
    """
    leading = columns_of(memory, "fold", columns)
    try:
        begin = state_of(start)
    except (TypeError, ValueError) as error:
        raise PlanError(f"fold: `start`: {error}.") from error
    function = memory.graph.function(Fold(called("fold", step), begin))
    settings: dict[str, Setting] = {"function": function, "code": code_of(step), "start": repr(begin)}
    return Number(memory.graph, asked_of(memory, FOLD, leading, {"by": by, "where": where}, **settings))


def state_of(value: Any) -> State:
    """The state as floats; TypeError or ValueError when it is neither a number nor a tuple of a few."""
    if not isinstance(value, tuple):
        return float(value)
    if not 1 <= len(value) <= NUMBERS:
        raise ValueError(f"a state is a number or a tuple of 1 to {NUMBERS}, this is one of {len(value)}")
    return tuple(map(float, value))
