"""Columns: what a detector's method holds. A value per row, not yet known; operators write nodes, nothing looks at a row.

A column has one of three faces: Number (arithmetic, comparison), Logic (`&`, `|`, `~`) and Id (`==`, `!=`, key of state).
"""

from __future__ import annotations

import math
from numbers import Real
from typing import ClassVar, Never, NoReturn

from apisec_otel.plan.node import NAMES, Graph, Kind, PlanError

_NO_TRUTH = (
    "a column has no truth value: this runs once, at start, not for each row. "
    "Instead of `a and b` write `a & b`; of `max(a, b)`, `maximum(a, b)`; of `1 < a < 3`, `(1 < a) & (a < 3)`."
)
_NO_LOOP = "a column cannot be looped over: this runs once, at start, not for each row. What needs other rows goes through `state`."
_NO_ARRAY = (
    "a column is no array: its values are not known yet, and this runs once, at start. "
    "Instead of numpy's functions use `maximum`, `minimum`, `exp`, `log`, `absolute` and `when` of apisec_otel.api."
)
_NO_EQUAL = "conditions are not compared: instead of `a == True` write `a`; of `a == False`, `~a`."


class Column:
    """A position in a graph. Use its faces Number, Logic and Id."""

    __slots__ = ("graph", "position")
    __array_ufunc__ = None
    kind: ClassVar[Kind]

    def __init__(self, graph: Graph, position: int) -> None:
        self.graph, self.position = graph, position

    def __bool__(self) -> NoReturn:
        raise PlanError(_NO_TRUTH)

    def __iter__(self) -> NoReturn:
        raise PlanError(_NO_LOOP)

    def __array__(self, *_: object) -> NoReturn:
        raise PlanError(_NO_ARRAY)

    def __repr__(self) -> str:
        return self.graph.text(self.position, row="row.")


class Logic(Column):
    """A condition: true, false or unknown (Kleene) in each row."""

    __slots__ = ()
    kind = "logic"
    __hash__ = object.__hash__

    def __and__(self, other: Logic) -> Logic:
        return self._join("and", "&", other)

    def __or__(self, other: Logic) -> Logic:
        return self._join("or", "|", other)

    def __invert__(self) -> Logic:
        return Logic(self.graph, self.graph.add("not", (self.position,), kind="logic"))

    def __rand__(self, other: Never) -> NoReturn:
        raise PlanError(_misjoined("&", "left", other, f"((... > 20) & {self!r})"))

    def __ror__(self, other: Never) -> NoReturn:
        raise PlanError(_misjoined("|", "left", other, f"((... > 20) | {self!r})"))

    def __eq__(self, other: object) -> NoReturn:
        raise PlanError(_NO_EQUAL)

    def __ne__(self, other: object) -> NoReturn:
        raise PlanError(_NO_EQUAL)

    def _join(self, op: str, sign: str, other: Logic) -> Logic:
        if not isinstance(other, Logic):
            raise PlanError(_misjoined(sign, "right", other, f"({self!r} {sign} (... > 20))"))
        one_graph(self, other)
        return Logic(self.graph, self.graph.add(op, (self.position, other.position), kind="logic"))


class Number(Column):
    """A number (or nothing) in each row. What comes out infinite or undefined is missing."""

    __slots__ = ()
    kind = "number"
    __hash__ = object.__hash__

    def __add__(self, other: Number | float) -> Number:
        return self._arithmetic("add", self, other)

    def __radd__(self, other: float) -> Number:
        return self._arithmetic("add", other, self)

    def __sub__(self, other: Number | float) -> Number:
        return self._arithmetic("subtract", self, other)

    def __rsub__(self, other: float) -> Number:
        return self._arithmetic("subtract", other, self)

    def __mul__(self, other: Number | float) -> Number:
        return self._arithmetic("multiply", self, other)

    def __rmul__(self, other: float) -> Number:
        return self._arithmetic("multiply", other, self)

    def __truediv__(self, other: Number | float) -> Number:
        return self._arithmetic("divide", self, other)

    def __rtruediv__(self, other: float) -> Number:
        return self._arithmetic("divide", other, self)

    def __neg__(self) -> Number:
        return Number(self.graph, self.graph.add("negate", (self.position,), kind="number"))

    def __gt__(self, other: Number | float) -> Logic:
        return self._compare("greater", other)

    def __ge__(self, other: Number | float) -> Logic:
        return self._compare("greater_equal", other)

    def __lt__(self, other: Number | float) -> Logic:
        return self._compare("less", other)

    def __le__(self, other: Number | float) -> Logic:
        return self._compare("less_equal", other)

    def __eq__(self, other: object) -> Logic:  # type: ignore[override]
        return self._compare("equal", other)

    def __ne__(self, other: object) -> Logic:  # type: ignore[override]
        return self._compare("not_equal", other)

    def _arithmetic(self, op: str, left: object, right: object) -> Number:
        args = (number(self.graph, left), number(self.graph, right))
        return Number(self.graph, self.graph.add(op, args, kind="number"))

    def _compare(self, op: str, other: object) -> Logic:
        return Logic(self.graph, self.graph.add(op, (self.position, number(self.graph, other)), kind="logic"))


class Id(Column):
    """Who or what, as a hash: it can be told from another and be a key of state, nothing else."""

    __slots__ = ()
    kind = "id"
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Logic:  # type: ignore[override]
        return self._compare("same", other)

    def __ne__(self, other: object) -> Logic:  # type: ignore[override]
        return self._compare("different", other)

    def _compare(self, op: str, other: object) -> Logic:
        if not isinstance(other, Id):
            raise PlanError(f"{self!r} is an id and compares with ids only; {described(other)}.")
        one_graph(self, other)
        return Logic(self.graph, self.graph.add(op, (self.position, other.position), kind="logic"))


def number(graph: Graph, value: object) -> int:
    """The position of a number in the graph: a Number's own, or a constant made of a plain one. Refuses anything else."""
    if isinstance(value, Number):
        one_graph_of(graph, value)
        return value.position
    if isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(float(value)):
        return graph.constant(float(value))
    raise PlanError(f"a number is wanted here; {described(value)}.")


def described(value: object) -> str:
    """`distinct(object_id) is a number`, for messages."""
    if isinstance(value, Column):
        return f"{value!r} is {NAMES[value.kind]}"
    name = type(value).__name__
    return f"{value!r} is {'an' if name[0] in 'aeiou' else 'a'} {name}"


def one_graph(left: Column, right: Column) -> None:
    """Refuses columns of two plans in one expression."""
    one_graph_of(left.graph, right)


def one_graph_of(graph: Graph, column: Column) -> None:
    """Refuses a column that was kept from another plan."""
    if column.graph is not graph:
        raise PlanError(f"{column!r} belongs to another plan: take columns from the `row` and `state` that `signals` is given.")


def _misjoined(sign: str, side: str, value: object, meant: str) -> str:
    if isinstance(value, Column):
        what = f"{NAMES[value.kind]}, {value!r}"
    else:
        what = f"{'a number' if isinstance(value, Real) else 'a ' + type(value).__name__}, {value!r}"
    return f"{sign} joins conditions; its {side} side is {what}. Did you mean {meant}?"
