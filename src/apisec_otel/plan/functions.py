"""Functions over columns that plain Python has as built-ins; each works on one row and knows no other."""

from __future__ import annotations

from functools import reduce

from apisec_otel.plan.column import Column, Id, Logic, Number, described, number
from apisec_otel.plan.node import Graph, PlanError


def maximum(first: Number | float, second: Number | float, *more: Number | float) -> Number:
    """The largest of the values that are present; missing only when all are."""
    return _folded("maximum", [first, second, *more])


def minimum(first: Number | float, second: Number | float, *more: Number | float) -> Number:
    """The smallest of the values that are present; missing only when all are."""
    return _folded("minimum", [first, second, *more])


def exp(value: Number) -> Number:
    """e to the value; missing where it overflows."""
    return _single("exp", value)


def log(value: Number) -> Number:
    """The natural logarithm; missing for zero and below."""
    return _single("log", value)


def absolute(value: Number) -> Number:
    """The value without its sign."""
    return _single("absolute", value)


def when(condition: Logic, then: Number | float, otherwise: Number | float) -> Number:
    """`then` where the condition holds, `otherwise` where it does not, missing where that is unknown."""
    if not isinstance(condition, Logic):
        raise PlanError(f"when: a condition is wanted first; {described(condition)}.")
    graph = condition.graph
    args = (condition.position, number(graph, then), number(graph, otherwise))
    return Number(graph, graph.add("when", args, kind="number"))


def known(value: Number | Id) -> Logic:
    """Whether the value is present: true or false, never unknown."""
    if not isinstance(value, Number | Id):
        raise PlanError(f"known: a number or an id is wanted; {described(value)}.")
    return Logic(value.graph, value.graph.add("known", (value.position,), kind="logic"))


def _single(op: str, value: Number) -> Number:
    if not isinstance(value, Number):
        raise PlanError(f"{op}: a number column is wanted; {described(value)}.")
    return Number(value.graph, value.graph.add(op, (value.position,), kind="number"))


def _folded(op: str, values: list[Number | float]) -> Number:
    graph = _graph_of(op, values)
    positions = [number(graph, value) for value in values]
    return Number(graph, reduce(lambda left, right: graph.add(op, (left, right), kind="number"), positions))


def _graph_of(op: str, values: list[Number | float]) -> Graph:
    for value in values:
        if isinstance(value, Column):
            return value.graph
    raise PlanError(f"{op}: none of {', '.join(map(repr, values))} is a column; plain numbers have Python's own functions.")
