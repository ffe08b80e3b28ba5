"""apply: a plain Python function of a row's own values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apisec_otel.plan.column import Column, Logic, Number, described, one_graph_of
from apisec_otel.plan.kernel import Kernel, Memory, asked_of
from apisec_otel.plan.node import PlanError, Setting
from apisec_otel.plan.outside import Running, Value, code_of, known

APPLY = Kernel(name="apply", family="tally", operands=(), leading="column", outside=True, cells=0, expiry=lambda settings: 0, own="column")


@dataclass(frozen=True)
class Apply:
    """A function to apply."""

    function: Callable[..., Any]

    def running(self) -> Running:
        """It keeps nothing."""
        return _Applied(self)


class _Applied(Running):
    def __init__(self, spec: Apply) -> None:
        super().__init__(name_of(spec.function))
        self._function = spec.function

    def row(self, values: tuple[Value, ...], key: int, counted: bool, asked: bool, time: int) -> float:
        return float(self._function(*values)) if known(values) else float("nan")


def apply(memory: Memory, function: Callable[..., float], *columns: Number | Logic) -> Number:
    """What a pure function answers to the columns' values in this row: floats, and conditions as bool; missing where one is.

    Runs Python for each row that wants the answer. What it raises is counted, and the answer is missing.

    >>> state.apply(math.erfc, row.duration / 3)  # doctest: +SKIP
    """
    pure = Apply(called("apply", function))
    leading = columns_of(memory, "apply", columns)
    settings: dict[str, Setting] = {"function": memory.graph.function(pure), "code": code_of(function)}
    return Number(memory.graph, asked_of(memory, APPLY, leading, {}, **settings))


def called(asker: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function itself; refuses what cannot be called or compared."""
    if isinstance(function, Column) or not callable(function):
        raise PlanError(f"{asker}: a Python function is wanted first; {described(function)}.")
    return function


def columns_of(memory: Memory, asker: str, columns: tuple[Number | Logic, ...]) -> list[int]:
    """The columns' positions; refuses none at all, and ids, which are hashes that mean nothing in themselves."""
    if not columns:
        raise PlanError(f"{asker}: at least one column is wanted.")
    for column in columns:
        if not isinstance(column, Number | Logic):
            raise PlanError(f"{asker}: numbers and conditions are wanted; {described(column)}.")
        one_graph_of(memory.graph, column)
    return [column.position for column in columns]


def name_of(function: Callable[..., Any]) -> str:
    """What people know the function by."""
    return str(getattr(function, "__qualname__", type(function).__name__)).replace(".<locals>", "")
