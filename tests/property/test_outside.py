"""What leaves the native plan: functions in Python, models by name, and half-space trees that are river's to the last bit."""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from executors import difference, run_native, run_reference
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import SECOND, random_cuts, random_plan, random_rows

from apisec_otel.api import Request, Severity, Signal, State
from apisec_otel.plan.build import build
from apisec_otel.plan.draft import Chosen

pytestmark = pytest.mark.skipif(importlib.util.find_spec("apisec_otel._native") is None, reason="the native module is not built")
FEATURES = ("duration", "response_size", "status")
START = 1_700_000_000 * SECOND


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    memory=st.sampled_from([None, None, 3_000]),
    count=st.integers(1, 150),
    spread=st.sampled_from([1, 4, 40]),
    ask_all=st.booleans(),
)
def test_stages_are_the_oracle(seed: int, memory: int | None, count: int, spread: int, ask_all: bool) -> None:
    """Python nodes anywhere in a plan, under any cut: every value, what is raised, and the tables."""
    plan = random_plan(seed, memory=memory, outside=True)
    rows = random_rows(seed, count, spread=spread)
    ours = run_reference(plan.spec, rows, [0, count], ask_all=ask_all, functions=plan.functions)
    theirs = run_native(plan.spec, rows, random_cuts(seed, count), ask_all=ask_all, functions=plan.functions)
    assert difference(ours, theirs, json.loads(plan.spec)["nodes"]) == ""


@dataclass(frozen=True)
class Odd:
    """Asks half-space trees of each endpoint."""

    owasp: ClassVar[str] = "API4:2023"
    severity: ClassVar[Severity] = "low"

    seed: int = 0

    def signals(self, row: Request, state: State) -> Iterator[Signal]:
        features = {name: getattr(row, name) for name in FEATURES}
        odd = state.model("anomaly.HalfSpaceTrees", features, by=row.endpoint, taught_by=row.client, seed=self.seed)
        yield Signal(when=odd > 0.99, entity=row.client, evidence={"odd": odd}, because="")


@pytest.mark.parametrize("seed", [0, 7, 2**40])
def test_half_space_trees_are_rivers_to_the_last_bit(seed: int) -> None:
    """Scores of thousands of rows over many windows, some without all features, at river's own sizes."""
    plan = build([Chosen(id="odd", detector=Odd(seed), flags=False)])
    chance = random.Random(seed)
    rows = [_row(chance, at) for at in range(3_000)]
    at = [node["op"] for node in json.loads(plan.spec)["nodes"]].index("half_space_trees")
    scores = [values[at] for values in run_native(plan.spec, rows, random_cuts(seed, len(rows)), ask_all=True).values]
    model = importlib.import_module("river.anomaly").HalfSpaceTrees(seed=seed)
    learned = 0
    for row, score in zip(rows, scores, strict=True):
        known = {name: row[name] for name in FEATURES if not math.isnan(row[name])}
        if not known:
            assert math.isnan(score)
            continue
        assert math.isnan(score) if learned < 250 else score == model.score_one(known)
        learned += 1
        model.learn_one(known)
    assert len(set(scores[250:])) > 1_000


def _row(chance: random.Random, at: int) -> dict[str, Any]:
    """The first has every feature, for river makes its trees of what the first row has."""
    row: dict[str, Any] = {"time": START + at * SECOND // 50, "endpoint": 1 << 20, "client": 2 << 20}
    return row | {name: math.nan if at and chance.random() < 0.1 else chance.betavariate(2, 5) for name in FEATURES}


def test_flagged_entities_teach_no_model() -> None:
    """A plan that flags its odd clients learns other masses than one that flags nobody."""
    chance = random.Random(1)
    rows = [_row(chance, at) | {"client": (1 + at % 5) << 20} for at in range(1_500)]
    runs = []
    for flags in (True, False):
        plan = build([Chosen(id="odd", detector=Odd(), flags=flags)])
        ours = run_reference(plan.spec, rows, [0, len(rows)], ask_all=True)
        theirs = run_native(plan.spec, rows, random_cuts(3, len(rows)), ask_all=True)
        assert difference(ours, theirs) == ""
        runs.append(ours)
    assert runs[0].raised
    at = [node["op"] for node in json.loads(plan.spec)["nodes"]].index("half_space_trees")
    assert [row[at] for row in runs[0].values[260:]] != [row[at] for row in runs[1].values[260:]]
