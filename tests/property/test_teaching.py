"""Streams in which baselines have teachers, seconds are longer than a segment, entities are flagged and histograms halve."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from executors import Answered, difference, run_native, run_reference
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import SECOND, capped, random_cuts

from apisec_otel.api import Request, Severity, Signal, State, Step, maximum
from apisec_otel.plan.build import Plan, build
from apisec_otel.plan.draft import Chosen, Detector

NATIVE = importlib.util.find_spec("apisec_otel._native") is not None
START = 1_700_000_000 * SECOND


@dataclass(frozen=True)
class Taught:
    """Judges how much a principal asks for by what others ask for."""

    owasp: ClassVar[str] = "API4:2023"
    severity: ClassVar[Severity] = "medium"

    times: float = 3.0

    def signals(self, row: Request, state: State) -> Iterator[Signal]:
        second = timedelta(seconds=1)
        seen = state.count(by=(row.principal, row.endpoint), within=second)
        usual = state.quantile(seen, 0.9, by=row.endpoint, taught_by=row.principal)
        yield Signal(
            when=seen > maximum(1, self.times * usual),
            p=state.tail(seen, by=row.endpoint, taught_by=row.principal),
            entity=row.principal,
            evidence={"seen": (seen, usual)},
            because="{seen.observed:.0f} of {seen.expected:.0f}",
        )
        size = state.quantile(row.response_size, 0.5, by=row.endpoint, taught_by=row.client, where=row.succeeded)
        yield Signal(
            p=state.tail(row.response_size, by=row.endpoint, taught_by=row.client), entity=row.client, evidence={"size": size}, because=""
        )


@dataclass(frozen=True)
class Wide:
    """Every kernel that learns or owns, with many teachers, many values and conditions that break now and then."""

    owasp: ClassVar[str] = "API1:2023"
    severity: ClassVar[Severity] = "medium"

    def signals(self, row: Request, state: State) -> Iterator[Signal]:
        new = state.novelty(row.object_id, by=row.endpoint, taught_by=row.principal)
        kept = state.always(row.succeeded, by=row.endpoint, taught_by=row.principal)
        foreign = state.owner(row.object_id, by=row.endpoint, principal=row.principal, where=row.succeeded)
        yield Signal(p=new, entity=row.principal, evidence={"kept": kept, "foreign": foreign}, because="")
        yield Signal(when=~row.succeeded & (kept > 0.3), entity=row.client, evidence={"new": new, "foreign": foreign}, because="")


@dataclass(frozen=True)
class InOrder:
    """What learns and needs rows in order."""

    owasp: ClassVar[str] = "API1:2023"
    severity: ClassVar[Severity] = "medium"

    def signals(self, row: Step, state: State) -> Iterator[Signal]:
        bits = state.surprise(row.object_id, by=row.principal, taught_by=row.client, where=~row.succeeded)
        yield Signal(when=bits > 4, entity=row.principal, evidence={"bits": bits}, because="")


def _plan(*, flags: bool = True, q: float = 0.05, detector: Detector | None = None) -> Plan:
    """Every window is a second long, so that a short stream closes many."""
    plan = build([Chosen(id="taught", detector=detector or Taught(), q=q, flags=flags)])
    spec = json.loads(plan.spec)
    for node in spec["nodes"]:
        if "window" in node["settings"]:
            node["settings"]["window"] = SECOND
    return dataclasses.replace(plan, spec=json.dumps(spec))


def _rows(seed: int, count: int, *, per_second: int, teachers: int = 60, objects: int = 1_000) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    rows: list[dict[str, Any]] = []
    for number in range(count):
        who = int(chance.paretovariate(0.5)) % teachers
        rows.append(
            {
                "time": START + number * SECOND // per_second,
                "principal": _id(who),
                "client": _id(chance.randint(0, teachers)),
                "endpoint": _id(1 + chance.randint(0, 1)),
                "object_id": _id(1 + int(chance.paretovariate(0.4)) % objects),
                "succeeded": chance.choice([-1, 0, 1]),
                "response_size": chance.choice([math.nan, 0.0, -3.0, 1e300, 1e-300, chance.lognormvariate(3, 2)]),
            }
        )
    return rows


def _id(number: int) -> int:
    return number * 0x9E3779B97F4A7C15 & (1 << 64) - 1


def _answers(run: Answered, spec: str, op: str) -> list[float]:
    at: Sequence[int] = [index for index, node in enumerate(json.loads(spec)["nodes"]) if node["op"] == op]
    return [row[index] for row in run.values for index in at if not math.isnan(row[index])]


@pytest.mark.skipif(not NATIVE, reason="the native module is not built")
@settings(deadline=None, max_examples=15)
@given(
    seed=st.integers(0, 2**32),
    memory=st.sampled_from([None, 2_000, 20_000]),
    per_second=st.sampled_from([30, 200, 1_500]),
    ask_all=st.booleans(),
)
def test_native_learns_like_the_oracle(seed: int, memory: int | None, per_second: int, ask_all: bool) -> None:
    """Under any cut and cap, with long seconds and with flagged teachers."""
    plan = _plan() if memory is None else capped(_plan(), memory)
    rows = _rows(seed, 2_000, per_second=per_second)
    ours = run_reference(plan.spec, rows, [0, len(rows)], ask_all=ask_all)
    theirs = run_native(plan.spec, rows, random_cuts(seed, len(rows)), ask_all=ask_all)
    assert difference(ours, theirs, json.loads(plan.spec)["nodes"]) == ""
    if memory is None and ask_all and per_second < 1_500:
        assert _answers(ours, plan.spec, "quantile")


@pytest.mark.skipif(not NATIVE, reason="the native module is not built")
@settings(deadline=None, max_examples=8)
@given(
    seed=st.integers(0, 2**32),
    memory=st.sampled_from([None, None, 3_000, 20_000]),
    per_second=st.sampled_from([30, 200, 1_500]),
    ask_all=st.booleans(),
)
def test_every_learner_is_the_oracle(seed: int, memory: int | None, per_second: int, ask_all: bool) -> None:
    """Values beyond what a key keeps, broken conditions and owners under any cut and cap."""
    plan = _plan(detector=Wide(), q=0.02) if memory is None else capped(_plan(detector=Wide(), q=0.02), memory)
    rows = _rows(seed, 2_000, per_second=per_second, teachers=150)
    ours = run_reference(plan.spec, rows, [0, len(rows)], ask_all=ask_all)
    theirs = run_native(plan.spec, rows, random_cuts(seed, len(rows)), ask_all=ask_all)
    assert difference(ours, theirs, json.loads(plan.spec)["nodes"]) == ""
    if memory is None and ask_all and per_second < 1_500:
        assert all(_answers(ours, plan.spec, op) for op in ("novelty", "always", "owner"))


@pytest.mark.skipif(not NATIVE, reason="the native module is not built")
@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**32), memory=st.sampled_from([None, None, 20_000]), objects=st.sampled_from([2, 400]), ask_all=st.booleans())
def test_successors_are_the_oracles(seed: int, memory: int | None, objects: int, ask_all: bool) -> None:
    """Few successors and more than are kept, under any cut and cap."""
    plan = _plan(detector=InOrder()) if memory is None else capped(_plan(detector=InOrder()), memory)
    rows = _rows(seed, 2_000, per_second=200, objects=objects)
    ours = run_reference(plan.spec, rows, [0, len(rows)], ask_all=ask_all)
    theirs = run_native(plan.spec, rows, random_cuts(seed, len(rows)), ask_all=ask_all)
    assert difference(ours, theirs, json.loads(plan.spec)["nodes"]) == ""
    if memory is None:
        assert _answers(ours, plan.spec, "surprise")


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.skipif(not NATIVE, reason="the native module is not built")
def test_histograms_halve_alike() -> None:
    """After 16,384 contributions both forget half of what each bin has."""
    plan = _plan(flags=False, q=1e-9)
    rows = _rows(7, 60_000, per_second=150, teachers=150)
    ours = run_reference(plan.spec, rows, [0, len(rows)], ask_all=True)
    theirs = run_native(plan.spec, rows, [0, 1, 20_000, len(rows)], ask_all=True)
    assert difference(ours, theirs, json.loads(plan.spec)["nodes"]) == ""
    sizes = {(row["time"] // SECOND, row["client"]) for row in rows if row["endpoint"] == _id(1) and not math.isnan(row["response_size"])}
    assert len(sizes) > 16_384 + 150, "too few contributions to halve anything"


def test_flagged_entities_do_not_teach() -> None:
    """What is raised stops teaching from the next tick, so later answers differ from those of a plan that flags nobody."""
    rows = _rows(3, 1_500, per_second=100)
    flagging, shadow = _plan(), _plan(flags=False)
    first = run_reference(flagging.spec, rows, [0, len(rows)], ask_all=True)
    second = run_reference(shadow.spec, rows, [0, len(rows)], ask_all=True)
    assert first.raised
    assert _answers(first, flagging.spec, "quantile") != _answers(second, shadow.spec, "quantile")
