"""Functions in Python: what is refused at start, what a fault does, what is kept, and what validate says."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from apisec_otel.api import Number, PlanError, Request, Severity, Signal, State, Step
from apisec_otel.plan.build import Plan, build
from apisec_otel.plan.cost import costs
from apisec_otel.plan.draft import Chosen
from apisec_otel.plan.engine import Engine
from apisec_otel.plan.kernels.half_space_trees import forest
from apisec_otel.plan.keys import Keys
from apisec_otel.plan.outside import Outside

SECOND = 1_000_000_000


@dataclass(frozen=True)
class Asking:
    """Raises where something is over 1."""

    owasp: ClassVar[str] = "API0:2023"
    severity: ClassVar[Severity] = "low"

    what: Callable[[Any, State], Number]

    def signals(self, row: Step, state: State) -> Iterator[Signal]:
        yield Signal(when=self.what(row, state) > 1, entity=row.actor, because="")


@dataclass(frozen=True)
class AskingRequests(Asking):
    """As they arrive."""

    def signals(self, row: Request, state: State) -> Iterator[Signal]:
        return super().signals(row, state)


def plan(what: Callable[[Any, State], Number], kind: type[Asking] = Asking) -> Plan:
    return build([Chosen(id="asking", detector=kind(what))])


def odd(name: str, **params: Any) -> Callable[[Any, State], Number]:
    return lambda row, state: state.model(name, {"a": row.duration}, by=row.service, taught_by=row.actor, **params)


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        (odd("anomaly.HalfSpaceForest"), "river has no anomaly.HalfSpaceForest; there is .*anomaly.HalfSpaceTrees"),
        (odd("anomalies.HalfSpaceTrees"), "No module named"),
        (odd("anomaly.GaussianScorer"), "cannot score rows of numbers"),
        (odd("stats.Mean"), "has no score_one and no learn_one"),
        (odd("anomaly.LODA", bins=3), "unexpected keyword argument 'bins'"),
        (odd("anomaly.HalfSpaceTrees", height=40), "`height` is 40; a whole number from 1 to 12"),
        (odd("anomaly.HalfSpaceTrees", instead=("b", 0.5)), "`instead` is a feature"),
        (lambda row, state: state.apply(math.sqrt, row.actor), "apply: numbers and conditions are wanted"),
        (lambda row, state: state.apply(row.duration), "apply: a Python function is wanted first"),
        (lambda row, state: state.fold(max, [0], row.duration, by=row.actor), "`start`"),
        (lambda row, state: state.fold(max, tuple(range(17)), row.duration, by=row.actor), "a tuple of 1 to 16"),
    ],
)
def test_what_cannot_work_is_refused_at_start(what: Callable[[Any, State], Number], sentence: str) -> None:
    with pytest.raises(PlanError, match=sentence):
        plan(what)


def test_fold_refuses_rows_without_order() -> None:
    with pytest.raises(PlanError, match="fold needs rows in time order"):
        plan(lambda row, state: state.fold(max, 0.0, row.duration, by=row.actor), AskingRequests)


def _answers(made: Plan, values: list[float]) -> list[float]:
    import numpy as np

    from apisec_otel import _native

    rows, outside = len(values), Outside(made.functions)
    executor = _native.Plan(made.spec, outside)
    numbers, ids = np.array(values), np.full(rows, 7 << 20, np.uint64)
    columns: Any = {"duration": numbers, "actor": ids, "service": ids}
    times = np.arange(rows, dtype=np.int64) * SECOND
    raised = executor.run_columns(columns, times, None, False, []).raised
    assert outside.running[0].faults == sum(value == 0 for value in values)
    return [values[row] for row, *_ in raised]


def test_a_fault_is_counted_and_the_rest_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """A row on which the function fails raises nothing; it is told once, without the value."""
    made = plan(lambda row, state: state.apply(lambda value: 1 / value, row.duration))
    assert _answers(made, [0.5, 0.0, 0.25, 0.0, math.nan, 4.0]) == [0.5, 0.25]
    assert [record.getMessage().partition(":")[0].partition(" failed ")[2] for record in caplog.records] == ["with ZeroDivisionError"]


def test_a_fold_goes_on_from_what_it_was_after_a_fault() -> None:
    made = plan(lambda row, state: state.fold(lambda kept, value: kept + 1 / value, 0.0, row.duration, by=row.actor))
    assert _answers(made, [4.0, 0.0, 4.0, 1.0, 0.0, 8.0]) == [1.0, 8.0]


def test_equal_folds_of_different_keys_are_kept_apart() -> None:
    def both(row: Any, state: State) -> Number:
        return state.fold(_sum, 0.0, row.duration, by=row.actor) + state.fold(_sum, 0.0, row.duration, by=row.service)

    assert len(plan(both).functions) == 2


def _sum(kept: float, value: float) -> float:
    return kept + value


def test_a_flood_of_keys_takes_no_room_from_those_that_came_back() -> None:
    keys: Keys[int] = Keys(100)
    for second in range(3):
        for key in range(50):
            keys.put(key, second, second * SECOND)
    for key in range(1_000, 50_000):
        keys.put(key, 0, 4 * SECOND)
    assert all(keys.get(key) == 2 for key in range(50))
    assert len(keys) == 100
    assert keys.evicted == 49_000 - 50


def test_validate_tells_what_runs_python_and_how_long_it_takes() -> None:
    said = list(costs(plan(lambda row, state: state.fold(_sum, 0.0, row.duration, by=row.actor) + odd("anomaly.LODA")(row, state))))
    assert [one.partition(":")[0] for one in said] == ["fold _sum runs Python for each row", "model anomaly.LODA runs Python for each row"]
    assert list(costs(plan(odd("anomaly.HalfSpaceTrees")))) == []


def test_trees_are_a_matter_of_the_seed() -> None:
    assert forest(3, 2, 4, 5) == forest(3, 2, 4, 5) != forest(3, 2, 4, 6)
    assert len(forest(1, 2, 4, random.Random(1).randint(0, 9))) == 30


def test_river_is_imported_only_where_one_of_its_models_runs_in_python() -> None:
    """Neither at start nor for half-space trees."""
    code = "import sys, apisec_otel.api, apisec_otel.cli, apisec_otel.plan.build; print({'river', 'scipy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_what_a_fold_keeps_outlives_a_restart() -> None:
    """A state of several numbers, and keys of any age, are there again in a process with the same function, and only there."""

    def ask(row: Any, state: State) -> Number:
        return state.fold(lambda kept, value: (kept[0] + value, kept[1] + 1), (0.0, 0.0), row.duration, by=row.actor)

    first, second, other = (
        Engine(plan(ask)),
        Engine(plan(ask)),
        Engine(plan(lambda row, state: state.fold(_sum, 0.0, row.duration, by=row.actor))),
    )
    fold = first.outside.running[0]
    for key in range(1, 1_001):
        fold.row((0.5,), key, True, False, key % 2 * SECOND)
        fold.row((0.5,), key, True, False, 2 * SECOND)
    shards = list(first.snapshot())
    assert second.restore(shards) == []
    again = second.outside.running[0]
    assert again.keys == 1_000
    assert [again.row((0.5,), key, True, True, 3 * SECOND) for key in (1, 500, 1_000)] == [1.5, 1.5, 1.5]
    other.restore(shards)
    assert other.outside.running[0].keys == 0
