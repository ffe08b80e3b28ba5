"""Any plan over any rows answers the same however the stream is cut, and natively the same as row by row."""

from __future__ import annotations

import importlib.util
import json

import pytest
from executors import Answered, difference, run_native, run_reference, run_restarted
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import random_cuts, random_plan, random_rows

SEEDS = st.integers(0, 2**32)
MEMORY = st.sampled_from([None, None, 700, 3_000, 20_000])
NATIVE = importlib.util.find_spec("apisec_otel._native") is not None


def _drawn(seed: int, memory: int | None, count: int, spread: int, *, native: bool, ask_all: bool) -> tuple[Answered, Answered, str]:
    plan = random_plan(seed, memory=memory)
    rows = random_rows(seed, count, spread=spread)
    whole = run_reference(plan.spec, rows, [0, count], ask_all=ask_all)
    run = run_native if native else run_reference
    return whole, run(plan.spec, rows, random_cuts(seed, count), ask_all=ask_all), plan.spec


@settings(deadline=None, max_examples=50)
@given(seed=SEEDS, memory=MEMORY, count=st.integers(1, 120), spread=st.sampled_from([2, 4, 40]), ask_all=st.booleans())
def test_cuts_change_nothing(seed: int, memory: int | None, count: int, spread: int, ask_all: bool) -> None:
    """The oracle itself does not know where batches end."""
    whole, cut, spec = _drawn(seed, memory, count, spread, native=False, ask_all=ask_all)
    assert difference(whole, cut, json.loads(spec)["nodes"]) == ""


@pytest.mark.skipif(not NATIVE, reason="the native module is not built")
@settings(deadline=None, max_examples=50)
@given(seed=SEEDS, memory=MEMORY, count=st.integers(1, 120), spread=st.sampled_from([2, 4, 40]), ask_all=st.booleans())
def test_native_is_the_oracle(seed: int, memory: int | None, count: int, spread: int, ask_all: bool) -> None:
    """Values of every node, what is raised, scores and the tables' sizes are equal."""
    whole, native, spec = _drawn(seed, memory, count, spread, native=True, ask_all=ask_all)
    assert difference(whole, native, json.loads(spec)["nodes"]) == ""


@pytest.mark.skipif(not NATIVE, reason="the native module is not built")
@settings(deadline=None, max_examples=50)
@given(seed=SEEDS, memory=MEMORY, count=st.integers(1, 120), spread=st.sampled_from([2, 4, 40]), ask_all=st.booleans())
def test_a_snapshot_at_any_row_changes_nothing(seed: int, memory: int | None, count: int, spread: int, ask_all: bool) -> None:
    """What was copied of a plan is all that it knows, whichever kernels it has and however small its tables are."""
    plan = random_plan(seed, memory=memory)
    rows, cuts = random_rows(seed, count, spread=spread), random_cuts(seed, count)
    whole = run_native(plan.spec, rows, [0, count], ask_all=ask_all)
    assert difference(whole, run_restarted(plan.spec, rows, cuts, ask_all=ask_all), json.loads(plan.spec)["nodes"]) == ""


@settings(deadline=None, max_examples=50)
@given(seed=SEEDS, memory=MEMORY, count=st.integers(1, 120), spread=st.sampled_from([2, 4, 40]))
def test_masks_change_nothing_that_is_asked(seed: int, memory: int | None, count: int, spread: int) -> None:
    """Skipping answers that nobody needs raises the same rows with the same evidence, and keeps the same state."""
    plan = random_plan(seed, memory=memory)
    rows = random_rows(seed, count, spread=spread)
    masked = run_reference(plan.spec, rows, [0, count], ask_all=False)
    asked = run_reference(plan.spec, rows, [0, count], ask_all=True)
    assert masked.tables == asked.tables
    assert difference(Answered(raised=masked.raised), Answered(raised=asked.raised)) == ""
