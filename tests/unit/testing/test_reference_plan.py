"""The oracle against what is worked out by hand: an error that oracle and native plan shared would show here."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from apisec_otel.testing.reference.plan import Reference
from apisec_otel.testing.reference.plan.baselines import Histogram, bin_of
from apisec_otel.testing.reference.plan.pointwise import POINTWISE, mix
from apisec_otel.testing.reference.plan.table import SECOND, Table

NAN = math.nan
ALICE, BOB = 1 << 20, 2 << 20


def _plan(op: str, operands: list[tuple[str, str]], **settings: Any) -> Reference:
    """A plan of one kernel by client over the named columns."""
    columns = [*operands, ("client", "id"), ("always", "logic")]
    nodes: list[dict[str, Any]] = [{"op": "column", "kind": kind, "args": [], "settings": {"name": name}} for name, kind in columns]
    kernel = {"op": op, "kind": "number", "args": list(range(len(columns))), "settings": settings, "table": 0, "asked": None}
    table = {"key": len(operands), "identity": "0" * 32, "bytes": 1 << 20, "expiry": 10**18}
    return Reference(json.dumps({"version": 1, "nodes": [*nodes, kernel], "tables": [table], "signals": []}))


def _answers(plan: Reference, rows: list[dict[str, Any]]) -> list[float]:
    return [values[-1] for values in plan.run([{"client": ALICE} | row for row in rows]).values]


def test_count_slides_in_eighths() -> None:
    """With 8 s a part is a second: what is 8 parts old has gone, what is 7 old has not."""
    plan = _plan("count", [], within=8 * SECOND)
    times = [0, SECOND, SECOND + 1, 7 * SECOND, 8 * SECOND, 9 * SECOND]
    assert _answers(plan, [{"time": time} for time in times]) == [1, 2, 3, 4, 4, 3]


def test_late_rows_are_answered_but_not_counted() -> None:
    """A late row sees what is there; a row without a key sees nothing."""
    plan = _plan("count", [], within=8 * SECOND)
    rows = [{"time": 0}, {"time": 0, "late": True}, {"time": 0, "client": 0}, {"time": 0}]
    assert _answers(plan, rows)[:2] == [1, 1]
    assert math.isnan(_answers(plan, [{"time": 0, "client": 0}])[0])


def test_total_skips_what_is_missing() -> None:
    """A missing value adds nothing, and an overflow is missing."""
    plan = _plan("total", [("status", "number")], within=8 * SECOND)
    assert _answers(plan, [{"time": 0, "status": value} for value in (2.5, NAN, -1.0)]) == [2.5, 2.5, 1.5]
    assert math.isnan(_answers(plan, [{"time": 0, "status": 1.7e308}] * 2)[-1])


def test_distinct_keeps_its_limit() -> None:
    """A fourth value is not kept while three are; seeing one again keeps it longer."""
    plan = _plan("distinct", [("object_id", "id")], within=8 * SECOND, limit=3)
    seen = [(0, 1), (0, 2), (SECOND, 3), (SECOND, 4), (7 * SECOND, 1), (8 * SECOND, 1), (8 * SECOND, 4)]
    assert _answers(plan, [{"time": time, "object_id": value << 20} for time, value in seen]) == [1, 2, 3, 3, 3, 2, 3]


def test_distinct_compares_48_bits() -> None:
    """Ids that differ in their last 16 bits only are one."""
    plan = _plan("distinct", [("object_id", "id")], within=8 * SECOND, limit=3)
    assert _answers(plan, [{"time": 0, "object_id": value} for value in (1 << 16, (1 << 16) + 1, 2 << 16, 0)]) == [1, 1, 2, 2]


def test_trw_climbs_fades_and_is_held() -> None:
    """ln 6 up, ln(4/9) down, half after a half-life, between floor and ceiling."""
    settings = {"normal": 0.1, "attack": 0.6, "half_life": 10 * SECOND, "floor": -1.0, "ceiling": 3.0}
    plan = _plan("trw", [("login_failed", "logic")], **settings)
    rows = [(0, 1), (10 * SECOND, 0), (10 * SECOND, 1), (10 * SECOND, 1), (10 * SECOND, -1), (90 * SECOND, -1), (90 * SECOND, -1)]
    up, down = math.log(6), math.log(4 / 9)
    faded = (3.0 + down) * 2.0**-8
    expected = [up, up / 2, up * 1.5, 3.0, 3.0 + down, faded + down, -1.0]
    assert _answers(plan, [{"time": time, "login_failed": failed} for time, failed in rows]) == pytest.approx(expected)


def test_bins_are_eighths_of_octaves() -> None:
    """Eight bins from one power of two to the next; not above zero is one bin; the ends are held."""
    assert [bin_of(value) - bin_of(1.0) for value in (1.0, 1.124, 1.125, 1.99, 2.0, 4.0)] == [0, 0, 1, 7, 8, 16]
    assert bin_of(0.0) == bin_of(-5.0) == 0
    assert bin_of(1e-300) == bin_of(2.0**-20)
    assert bin_of(1e300) == bin_of(2.0**44)


def test_histogram_answers_by_rank() -> None:
    """Twenty teachers of 1 to 20: half stay at or below 10, two of 21 are at or above 20."""
    histogram = Histogram()
    for value in range(1, 21):
        histogram.learn(float(value), value, 0)
    assert histogram.supported()
    assert histogram.quantile(0.5) == 10.0
    assert histogram.quantile(0.999) == 20.0
    assert histogram.tail(20.0) == 2 / 21
    assert histogram.tail(1.0) == 1.0


def test_histogram_needs_twenty_teachers_and_halves() -> None:
    """One teacher is no baseline however much it says; at 16,384 half is forgotten, and what was said once wholly."""
    histogram = Histogram()
    histogram.learn(1000.0, 1, 0)
    for _ in range(16_383):
        histogram.learn(1.0, 1, 0)
    assert not histogram.supported()
    assert histogram.taught == 16_383 // 2
    assert list(histogram.counts) == [bin_of(1.0)]


def _filled(cap: int, visits: list[tuple[int, int]]) -> Table:
    table = Table(cap, 100 * SECOND)
    for key, time in visits:
        table.visit(key, time)
    return table


def test_flood_does_not_evict_who_came_later_again() -> None:
    """A key seen twice at once is on probation like one seen once; one seen a second later stays."""
    flood = [(key, SECOND) for key in range(10, 30) for _ in range(2)]
    table = _filled(64 * 5, [(1, 0), (1, SECOND), *flood])
    table.settle()
    assert table.bytes() == 64 * 5
    assert sorted(table.entries) == [1, 26, 27, 28, 29]
    assert [entry.key for entry in table.main] == [1]
    assert table.evicted == 16


def test_main_gives_a_second_chance() -> None:
    """When only main is left, who was visited there goes round once more."""
    table = _filled(64 * 2, [(1, 0), (2, 0), (3, 0), (1, SECOND), (2, SECOND), (3, SECOND)])
    table.settle()
    assert [entry.key for entry in table.main] == [2, 3]
    table.visit(2, 2 * SECOND)
    table.visit(4, 2 * SECOND)
    table.settle()
    assert sorted(table.entries) == [2, 3]
    table.visit(5, 2 * SECOND)
    table.visit(5, 3 * SECOND)
    table.settle()
    assert sorted(table.entries) == [2, 5]


def test_old_keys_expire() -> None:
    """A key that was last counted more than the expiry ago goes."""
    table = _filled(1 << 20, [(1, 0), (2, 50 * SECOND)])
    table.settle()
    table.expire(100 * SECOND)
    assert sorted(table.entries) == [1, 2]
    table.expire(100 * SECOND + 1)
    assert sorted(table.entries) == [2]
    assert table.expired == 1


@pytest.mark.parametrize(
    ("op", "args", "expected"),
    [
        ("divide", (1.0, 0.0), NAN),
        ("divide", (NAN, 1.0), NAN),
        ("exp", (1000.0,), NAN),
        ("log", (0.0,), NAN),
        ("multiply", (1e200, 1e200), NAN),
        ("maximum", (NAN, 2.0), 2.0),
        ("minimum", (NAN, NAN), NAN),
        ("when", (0, 1.0, 2.0), NAN),
        ("greater", (NAN, 2.0), 0),
        ("same", (0, 0), 0),
        ("different", (3, 3), -1),
        ("and", (0, -1), -1),
        ("or", (0, 1), 1),
        ("not", (0,), 0),
        ("known", (NAN,), -1),
        ("known", (0,), -1),
    ],
)
def test_missing_is_kleene(op: str, args: tuple[Any, ...], expected: float) -> None:
    """What is missing makes unknown, never an alarm."""
    assert POINTWISE[op](*args) == pytest.approx(expected, nan_ok=True)


def test_mix() -> None:
    """Missing when either is; order matters, so that the planner must sort."""
    assert mix(0, BOB) == mix(ALICE, 0) == 0
    assert mix(ALICE, BOB) != mix(BOB, ALICE)
    assert mix(ALICE, BOB) & 1
