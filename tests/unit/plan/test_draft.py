"""What is wrong with a detector is said at start, with its name and line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from samples import MINUTE, busy, planned

from apisec_otel.api import Item, PlanError, Request, Severity, Signal, State
from apisec_otel.plan.build import build, plans
from apisec_otel.plan.draft import Chosen
from apisec_otel.plan.kernel import Kernel, Memory, ask
from apisec_otel.plan.node import Graph


def _signal(**changes: Any) -> Callable[[Request, State], Signal]:
    def say(row: Request, state: State) -> Signal:
        seen = state.distinct(row.object_id, by=row.principal, within=MINUTE)
        given: dict[str, Any] = {"when": seen > 3, "entity": row.principal, "because": "so", "evidence": {"objects": seen}}
        return Signal(**(given | {name: value(row, state) if callable(value) else value for name, value in changes.items()}))

    return say


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"because": "{objects.observd}"}, "because: {objects.observd} names no evidence; there is objects."),
        ({"because": "{object}"}, "because: {object} names nothing; there is endpoint, payload, say, window, at_least and"),
        ({"because": "{objects.observed:q}"}, "because: {objects.observed:q}: Unknown format code 'q'"),
        ({"when": None}, "a Signal needs `when` or `p`; this one could never be raised."),
        ({"when": True}, "when: a Logic is wanted; True is a bool."),
        ({"entity": lambda row, state: row.status}, "entity: an id is wanted, such as row.principal; row.status is a number."),
        ({"severity": "urgent"}, "severity: 'urgent' is none of info, low, medium, high and critical."),
        ({"evidence": {"objects": 3}}, "evidence objects: a number is wanted; 3 is an int."),
        ({"when": lambda row, state: row.succeeded and row.denied}, "a column has no truth value"),
        ({"when": lambda row, state: row.succeded}, "row.succeded: no such column. Did you mean succeeded?"),
        (
            {"p": lambda row, state: state.distinct(row.path, by=row.client, within=timedelta(days=30))},
            "distinct: `within` is 30 days; at most 24 h (memory: 8 parts x 1024 values x key).",
        ),
        ({"p": lambda row, state: state.count(by=row.client, within=timedelta(0))}, "count: `within` is 0 s; at least 1 s."),
        (
            {"p": lambda row, state: state.count(by=row.status, within=MINUTE)},
            "count: `by` is an id or a tuple of ids; row.status is a number.",
        ),
        ({"p": lambda row, state: state.count(by=(), within=MINUTE)}, "count: `by` is an empty tuple; an id is wanted."),
        (
            {"p": lambda row, state: state.count(by=row.client, where=row.status, within=MINUTE)},
            "count: `where` is a condition; row.status is a number.",
        ),
        ({"p": lambda row, state: state.distinct(row.path, by=row.client, within=MINUTE, limit=0)}, "distinct: `limit` is 0;"),
        ({"p": lambda row, state: state.trw(row.failed, by=row.client, normal=0.7)}, "an attacker must fail more often than a user"),
        (
            {"p": lambda row, state: state.quantile(row.status, 1.0, by=row.client, taught_by=row.client)},
            "quantile: `q` is 1.0; a plain number between 0 and 1 is wanted.",
        ),
    ],
)
def test_error_names_detector_and_line(changes: dict[str, Any], message: str) -> None:
    """The detector, the line of its file and the sentence."""
    with pytest.raises(PlanError, match=r"^Sample\.signals( line \d+)?: .*" + re.escape(message)):
        planned(_signal(**changes))


def test_line_is_the_one_in_the_detectors_file() -> None:
    """The line is where `signals` went wrong, not where the planner noticed."""

    @dataclass(frozen=True)
    class Wrong:
        owasp: ClassVar[str] = "API1:2023"
        severity: ClassVar[Severity] = "low"

        def signals(self, row: Request, state: State) -> Iterator[Signal]:
            if row.status > 3:
                yield busy(row, state)

    line = Wrong.signals.__code__.co_firstlineno + 1
    with pytest.raises(PlanError, match=rf"^Wrong\.signals line {line}: a column has no truth value"):
        build([Chosen(id="wrong", detector=Wrong())])


def test_row_must_be_annotated() -> None:
    """The annotation says which rows are meant, so it cannot be left out."""

    @dataclass(frozen=True)
    class Bare:
        owasp: ClassVar[str] = "API1:2023"
        severity: ClassVar[Severity] = "low"

        def signals(self, row, state):  # type: ignore[no-untyped-def]
            yield busy(row, state)

    with pytest.raises(PlanError, match=r"^Bare\.signals: annotate `row` with the rows that are meant"):
        build([Chosen(id="bare", detector=Bare())])


def test_ordered_kernels_refuse_rows_as_they_arrive() -> None:
    """What depends on order cannot be asked of Request rows."""
    streak = Kernel(name="streak", family="tally", operands=(("by", "id"),), cells=1, expiry=lambda settings: 1, ordered=True)
    message = "streak needs rows in time order, but `row` is a Request (as it arrives). Annotate it `row: Step`."
    graph = Graph()
    with pytest.raises(PlanError, match=re.escape(message)):
        ask(State(graph), streak, {"by": Request(graph).client})
    assert ask(Memory(graph, rows="Step", in_order=True), streak, {"by": Request(graph).client}).kind == "number"


@dataclass(frozen=True)
class OfItems:
    """Says something of items."""

    owasp: ClassVar[str] = "API8:2023"
    severity: ClassVar[Severity] = "low"

    def signals(self, row: Item, state: State) -> Iterator[Signal]:
        yield Signal(when=row.in_query & (row.syntax > 3), entity=row.actor, because="{item} of {endpoint}")


def test_items_have_a_plan_of_their_own() -> None:
    made = plans([Chosen(id="of_items", detector=OfItems())])
    assert [plan.rows for plan in (made.requests, made.steps, made.items)] == ["Request", "Request", "Item"]
    assert [each.detector for each in made.items.statements] == ["of_items"]
    assert made.items.columns == {"of_items": {"in_query", "syntax", "actor"}}
    assert not made.requests.statements


@pytest.mark.parametrize(
    ("signals", "says"),
    [
        (lambda row, state: row.length, r"row.length: no such column. Items have it: annotate `row: Item`"),
        (
            lambda row, state: Signal(when=row.failed, entity=row.actor, because="{item}"),
            r"\{item\} names nothing; there is endpoint and payload",
        ),
    ],
)
def test_what_only_items_have_is_refused_of_requests_and_told(signals: Any, says: str) -> None:
    class Asks(OfItems):
        def signals(self, row: Request, state: State) -> Iterator[Signal]:  # type: ignore[override]
            yield signals(row, state)

    with pytest.raises(PlanError, match=says):
        plans([Chosen(id="asks", detector=Asks())])


def test_items_are_in_no_order() -> None:
    class Streak(OfItems):
        def signals(self, row: Item, state: State) -> Iterator[Signal]:
            yield Signal(when=state.streak(row.in_query, by=row.actor) > 3, entity=row.actor, because="")

    with pytest.raises(PlanError, match=r"streak needs rows in time order, but `row` is an Item \(as it arrives\)"):
        plans([Chosen(id="streak", detector=Streak())])
