"""Ownership is enough to write `bola_foreign`: reads of other people's objects where hardly anybody reads those."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from apisec_otel.api import Number, Request, Severity, Signal, State, exp, known, log, maximum, minimum
from apisec_otel.plan.build import build
from apisec_otel.plan.draft import Chosen
from apisec_otel.testing.reference.plan import Reference

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class BolaForeign:
    """One principal reads objects that others own, where the endpoint's principals read their own."""

    owasp: ClassVar[str] = "API1:2023"
    severity: ClassVar[Severity] = "high"

    at_least: int = 5
    warm: int = 300

    def signals(self, row: Request, state: State) -> Iterator[Signal]:
        """Chernoff's bound of so many foreign objects among those whose owner is known."""
        who = (row.principal, row.endpoint)
        owned = state.owner(row.object_id, by=row.endpoint, principal=row.principal, where=row.succeeded)
        judged, foreign = row.succeeded & known(owned), row.succeeded & (owned == 1)
        mine = state.count(by=who, where=judged, within=DAY)
        theirs = state.count(by=who, where=foreign, within=DAY)
        all_judged = state.count(by=row.endpoint, where=judged & (mine <= 50), within=DAY)
        all_foreign = state.count(by=row.endpoint, where=foreign & (theirs <= 5), within=DAY)
        objects = state.distinct(row.object_id, by=who, where=judged, within=DAY, limit=256)
        others = state.distinct(row.object_id, by=who, where=foreign, within=DAY, limit=64)
        usual = (1 + all_foreign) / (20 + all_judged)
        share = minimum(maximum(others / objects, 1e-9), 1 - 1e-9)
        distance = share * log(share / usual) + (1 - share) * log((1 - share) / (1 - usual))
        p: Number = exp(-objects * distance)
        yield Signal(
            when=foreign & (others >= self.at_least) & (share > usual) & (all_judged >= self.warm) & (p < 1e-6),
            p=p,
            entity=row.principal,
            evidence={"others": (others, usual)},
            because="{others.observed:.0f} objects of others at {endpoint}",
        )


def test_bola_foreign_is_a_declaration() -> None:
    """Own objects and shared ones stay quiet; who walks through others' objects is raised by the time of a dozen."""
    rows = _everyday()
    plan = Reference(build([Chosen(id="bola_foreign", detector=BolaForeign())]).spec)
    assert plan.run(rows).raised == []
    walk = [_row(1_000 + step, 99, step * 2 + 10_002) for step in range(12)]
    raised = plan.run(walk).raised
    assert raised
    assert {row[4] for row in raised} == {_id(99)}


def test_shared_objects_drop_out() -> None:
    """Where everybody reads everybody's objects, one more who does is nothing."""
    plan = Reference(build([Chosen(id="bola_foreign", detector=BolaForeign())]).spec)
    shared = [_row(second, 1 + second % 40, 10_000 + second * 7 % 41) for second in range(1_000)]
    walk = [_row(1_100 + step, 99, 10_000 + step) for step in range(12)]
    assert plan.run(shared + walk).raised == []


def test_an_owner_has_to_come_back() -> None:
    """First come, confirmed a second later; missing before, 0 for the owner, 1 for others."""
    rows = [_row(0, 1, 5), _row(0.5, 1, 5), _row(0.7, 2, 5), _row(1, 1, 5), _row(1, 2, 5)]
    plan = build([Chosen(id="bola_foreign", detector=BolaForeign())])
    reference = Reference(plan.spec)
    at = next(index for index, node in enumerate(reference.nodes) if node["op"] == "owner")
    answers = [float(row[at]) for row in reference.run(rows, ask_all=True).values]
    assert [None if math.isnan(one) else one for one in answers] == [None, None, None, 0.0, 1.0]


def _everyday() -> list[dict[str, Any]]:
    """40 principals come back to two objects of their own, and now and then one reads another's."""
    return [_row(second, 1 + second % 40, 10_000 + 2 * (1 + (second + (second % 97 == 0)) % 40)) for second in range(900)]


def _row(second: float, principal: int, thing: int) -> dict[str, Any]:
    time = START + int(second * SECOND)
    return {"time": time, "principal": _id(principal), "endpoint": _id(7_777), "object_id": _id(thing), "succeeded": 1}


def _id(number: int) -> int:
    return number * 0x9E3779B97F4A7C15 & (1 << 64) - 1
