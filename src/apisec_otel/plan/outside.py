"""Where the plan is cut in stages: what Python answers, a piece of rows at a time and row by row inside.

The native plan asks in the middle of a piece and goes on with the answer. A function sees one row and, where it keeps
something, what it kept of the row's key: what depends on where a batch ends cannot be written.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, Protocol, cast

import numpy as np
import numpy.typing as npt

_LOG = logging.getLogger(__name__)
_NAN = math.nan

Value = float | bool | None
"""A column's value in one row: a number, a condition, or missing."""


class Rows:
    """A piece of rows as plain values: one tuple of columns, key, counted, asked and time (ns) a row."""

    def __init__(self, columns: Sequence[tuple[str, bytes]], by: bytes, counted: bytes, asked: bytes, times: bytes) -> None:
        self.length = len(asked)
        self._columns = [_values(form, column) for form, column in columns]
        self._keys: Iterable[int] = np.frombuffer(by, "<u8").tolist() if by else [0] * self.length
        self._counted, self._asked = counted, asked
        self._times: Sequence[int] = np.frombuffer(times, "<i8").tolist()

    def __iter__(self) -> Iterator[tuple[tuple[Value, ...], int, int, int, int]]:
        return iter(zip(zip(*self._columns, strict=True), self._keys, self._counted, self._asked, self._times, strict=True))


class Running:
    """A function at work. `row` answers one row; what it raises is a fault of this function alone: the answer is missing."""

    stays: ClassVar[bool] = False
    """Whether what is kept outlives the end of a recording."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.faults = 0
        """Rows in which the function failed."""

    @property
    def keys(self) -> int:
        """Keys of which something is kept."""
        return 0

    @property
    def evicted(self) -> int:
        """Keys forgotten for want of room."""
        return 0

    def restart(self) -> None:
        """Forgets everything."""

    def snapshot(self) -> Iterator[list[Any]]:
        """What is kept, page by page, as JSON has it; nothing where it cannot be."""
        return iter(())

    def take(self, page: Iterable[Any]) -> None:
        """Keeps what another one kept."""

    def row(self, values: tuple[Value, ...], key: int, counted: bool, asked: bool, time: int) -> float:
        """The answer to one row, NaN where there is none; called where it is asked or counted, in the order of the rows."""
        raise NotImplementedError

    def answer(self, rows: Rows) -> npt.NDArray[np.float64]:
        """An answer for each row."""
        out = np.full(rows.length, _NAN)
        for at, (values, key, counted, asked, time) in enumerate(rows):
            if counted or asked:
                try:
                    answer = self.row(values, key, bool(counted), bool(asked), time)
                    out[at] = answer if asked else _NAN
                except Exception as error:
                    self._failed(error)
        return out

    def _failed(self, error: Exception) -> None:
        """Counted always and told once. Values may be in an error's text, so its kind alone is told."""
        self.faults += 1
        if self.faults == 1:
            _LOG.warning("%s failed with %s: its answers are missing, and what it judges is not raised", self.name, type(error).__name__)


class Function(Protocol):
    """A declared function: compared by what it does, run by what it makes."""

    def running(self) -> Running:
        """Begins anew."""
        ...


class Outside:
    """All functions of a plan, as an executor asks them."""

    def __init__(self, functions: Sequence[Hashable]) -> None:
        self.running = [cast("Function", function).running() for function in functions]

    def __call__(
        self, function: int, columns: Sequence[tuple[str, bytes]], by: bytes, counted: bytes, asked: bytes, times: bytes
    ) -> npt.NDArray[np.float64]:
        """An answer for each row of a piece; all columns are bytes, keys u64, times i64 ns, marks one byte each."""
        return self.running[function].answer(Rows(columns, by, counted, asked, times))

    def restart(self) -> None:
        """Ends a recording: what was folded goes, what was learned stays."""
        for function in self.running:
            if not function.stays:
                function.restart()


def known(values: tuple[Value, ...]) -> bool:
    """Whether no value is missing."""
    return None not in values


def code_of(function: Any) -> str:
    """Where a function comes from and what it does, as a text that changes with its code."""
    code = getattr(function, "__code__", None)
    name = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__name__)}"
    if code is None:
        return name
    constants = [one for one in code.co_consts if isinstance(one, int | float | str | None)]
    return f"{name} {code.co_code.hex()} {code.co_names} {constants}"


def _values(form: str, column: bytes) -> list[Value]:
    numbers = np.frombuffer(column, form).tolist()
    if form == "i1":
        return [None if one == 0 else one > 0 for one in numbers]
    return [None if math.isnan(one) else one for one in numbers]
