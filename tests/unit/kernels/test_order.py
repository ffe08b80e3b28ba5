"""Kernels that need order: what they refuse, and what a chain learns."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from apisec_otel.api import PlanError, Request, State, Step
from apisec_otel.plan.node import Graph
from apisec_otel.testing.reference.plan.learned import Successors

HOUR = 3_600_000_000_000


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("streak", lambda row, state: state.streak(row.denied, by=row.actor)),
        ("last", lambda row, state: state.last(row.object_number, by=row.actor)),
        ("last", lambda row, state: state.last(row.client, by=row.actor)),
        ("since", lambda row, state: state.since(by=row.actor)),
        ("surprise", lambda row, state: state.surprise(row.endpoint, by=row.session)),
    ],
)
def test_rows_as_they_arrive_are_refused(name: str, asked: Callable[[Any, Any], Any]) -> None:
    graph = Graph()
    with pytest.raises(PlanError, match=rf"^{name} needs rows in time order, but `row` is a Request .* Annotate it `row: Step`\.$"):
        asked(Request(graph), State(graph))
    asked(Step(graph), State(graph, rows="Step", in_order=True))


def test_requests_and_steps_share_no_memory() -> None:
    graph = Graph()
    assert Request(graph).principal.position != Step(graph).principal.position
    assert graph.identity(Request(graph).principal.position) != graph.identity(Step(graph).principal.position)


def test_a_chain_knows_what_follows_and_forgets_by_half_in_a_day() -> None:
    chain = Successors()
    for teacher in range(1, 31):
        chain.learn(7 if teacher % 3 else 8, teacher, HOUR)
    assert chain.supported()
    assert chain.answer(7) == pytest.approx(-math.log2(20.5 / 31.5))
    assert chain.answer(7) < chain.answer(8) < chain.answer(9)
    chain.learn(9, 1, 25 * HOUR)
    assert chain.counts == {7: 10, 8: 5, 9: 1}


def test_the_least_usual_successor_gives_way() -> None:
    chain = Successors()
    for value in [*range(1, 65), *range(1, 65)]:
        chain.learn(value, value, HOUR)
    chain.learn(1, 1, HOUR)
    chain.learn(99, 1, HOUR)
    assert len(chain.counts) == 64
    assert (chain.counts[99], chain.counts[1], 2 in chain.counts) == (1, 3, False)
