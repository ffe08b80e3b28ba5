"""Random plans, random rows: what the property tests of the plan draw from one seed."""

from __future__ import annotations

import dataclasses
import json
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from apisec_otel.api import Id, Logic, Number, Request, Severity, Signal, State, Step, absolute, exp, known, log, maximum, minimum, when
from apisec_otel.plan.build import Plan, finish
from apisec_otel.plan.draft import Chosen, draft

SECOND = 1_000_000_000
IDS = ("principal", "endpoint", "client", "object_id")
CONDITIONS = ("succeeded", "denied", "login")
NUMBERS = ("status", "duration", "response_size")
_LENGTHS = (1, 3, 10, 600)
_STEPS = (0, 0, 1_000, 10**8, 3 * 10**8, SECOND, 3 * SECOND, 40 * SECOND)


@dataclass(frozen=True)
class Drawn:
    """A detector whose signals come from a seed."""

    owasp: ClassVar[str] = "API0:2023"
    severity: ClassVar[Severity] = "medium"

    seed: int
    count: int
    outside: ClassVar[bool] = False

    def signals(self, row: Request, state: State) -> Iterator[Signal]:
        draw = Draw(random.Random(self.seed), row, state, outside=self.outside)
        for _ in range(self.count):
            yield draw.signal()


@dataclass(frozen=True)
class DrawnInOrder(Drawn):
    """As `Drawn`, with the kernels that need rows in order."""

    def signals(self, row: Step, state: State) -> Iterator[Signal]:
        return super().signals(row, state)


@dataclass(frozen=True)
class DrawnOutside(DrawnInOrder):
    """As `DrawnInOrder`, with functions that Python runs."""

    outside: ClassVar[bool] = True


class Draw:
    """Expressions of bounded depth."""

    def __init__(self, chance: random.Random, row: Request, state: State, *, outside: bool) -> None:
        self.chance, self.row, self.state, self.outside = chance, row, state, outside

    def signal(self) -> Signal:
        chance = self.chance
        decided = chance.random() < 0.8
        return Signal(
            when=self.logic(4) if decided else None,
            p=self.number(2) / 10 if not decided or chance.random() < 0.5 else None,
            entity=self.id(),
            severity=self.number(2) if chance.random() < 0.3 else None,
            evidence={"seen": (self.number(3), self.number(2)), "alone": self.number(2)},
            because="{seen.observed:.1f} and {alone.observed}",
        )

    def id(self) -> Id:
        column: Id = getattr(self.row, self.chance.choice(IDS))
        if self.state.in_order and self.chance.random() < 0.1:
            return self.state.last(column, by=self.key(), within=timedelta(seconds=self.chance.choice(_LENGTHS)))
        return column

    def key(self) -> Id | tuple[Id, ...]:
        return self.id() if self.chance.random() < 0.6 else (self.id(), self.id())

    def where(self, depth: int) -> Logic | None:
        return None if self.chance.random() < 0.5 else self.logic(depth)

    def logic(self, depth: int) -> Logic:
        column: Logic = getattr(self.row, self.chance.choice(CONDITIONS))
        if depth <= 0:
            return column
        choices: list[Callable[[], Logic]] = [
            lambda: self.number(depth - 1) > self.number(depth - 2),
            lambda: self.number(depth - 1) >= maximum(self.chance.randint(0, 5), self.number(depth - 1)),
            lambda: self.number(depth - 1) < self.chance.randint(0, 9),
            lambda: self.number(depth - 1) <= self.chance.randint(0, 9),
            lambda: self.number(depth - 1) == self.chance.randint(0, 3),
            lambda: self.number(depth - 1) != self.chance.randint(0, 3),
            lambda: self.logic(depth - 1) & self.logic(depth - 1),
            lambda: self.logic(depth - 1) & self.logic(depth - 1),
            lambda: self.logic(depth - 1) | self.logic(depth - 1),
            lambda: ~self.logic(depth - 1),
            lambda: self.id() == self.id(),
            lambda: self.id() != self.id(),
            lambda: known(self.number(depth - 1)),
            lambda: known(self.id()),
            lambda: column,
        ]
        return self.chance.choice(choices)()

    def number(self, depth: int) -> Number:
        column: Number = getattr(self.row, self.chance.choice(NUMBERS))
        if depth <= 0:
            return column
        inner = depth - 1
        choices: list[Callable[[], Number]] = [
            lambda: self.number(inner) + self.chance.randint(0, 5),
            lambda: 3 - self.number(inner),
            lambda: self.number(inner) * self.number(inner),
            lambda: self.number(inner) / self.number(inner),
            lambda: maximum(self.number(inner), self.number(inner)),
            lambda: minimum(self.number(inner), 4),
            lambda: self.chance.choice([exp, log, absolute])(-self.number(inner)),
            lambda: when(self.logic(inner), self.number(inner), self.number(inner)),
            *[lambda: self.tally(inner)] * 6,
            *[lambda: self.baseline(inner)] * 3,
            lambda: self.trees(inner),
            *[lambda: self.function(inner)] * (4 * self.outside),
        ]
        return self.chance.choice(choices)()

    def tally(self, depth: int) -> Number:
        by, where, state = self.key(), self.where(depth), self.state
        within = timedelta(seconds=self.chance.choice(_LENGTHS))
        choices: list[Callable[[], Number]] = [
            lambda: state.count(by=by, where=where, within=within),
            lambda: state.rate(by=by, where=where, within=within),
            lambda: state.total(self.number(depth), by=by, where=where, within=within),
            lambda: state.distinct(self.key(), by=by, where=where, within=within, limit=self.chance.choice([2, 64])),
            lambda: state.trw(self.logic(depth), by=by, where=where, half_life=within),
            lambda: state.owner(self.key(), by=by, principal=self.key(), where=where),
        ]
        in_order: list[Callable[[], Number]] = [
            lambda: state.streak(self.logic(depth), by=by, where=where, within=within),
            lambda: state.last(self.number(depth), by=by, where=where, within=within),
            lambda: state.surprise(self.id(), by=by, where=where, within=within),
            lambda: state.since(by=by, where=where, within=within),
        ]
        return self.chance.choice(choices + (in_order if state.in_order else []))()

    def trees(self, depth: int) -> Number:
        features = {name: self.number(depth) for name in "cab"[: self.chance.randint(1, 3)]}
        by, teacher, where = self.key(), self.key(), self.where(depth)
        instead = self.chance.choice([None, (next(iter(features)), 0.5)])
        shape = {"n_trees": self.chance.choice([1, 3]), "height": self.chance.choice([1, 4]), "window_size": self.chance.choice([1, 7])}
        return self.state.model("anomaly.HalfSpaceTrees", features, by=by, taught_by=teacher, where=where, instead=instead, **shape)

    def function(self, depth: int) -> Number:
        state, columns, where = self.state, [self.number(depth), self.logic(depth)], self.where(depth)
        choices: list[Callable[[], Number]] = [
            lambda: state.apply(lambda value, holds: value if holds else math.sqrt(value), *columns),
            lambda: state.fold(lambda kept, value, holds: kept / 2 + (value if holds else 1 / value), 1.0, *columns, by=self.key()),
            lambda: state.fold(lambda kept, value: (kept[1], value), (0.0, 0.0), columns[0], by=self.key(), where=where),
            lambda: state.model(
                "anomaly.LODA", {"a": columns[0], "b": self.number(depth)}, by=self.key(), taught_by=self.key(), n_random_cuts=3
            ),
            lambda: state.model("anomaly.OneClassSVM", {"a": absolute(columns[0])}, by=self.key(), taught_by=self.key(), where=where),
        ]
        return self.chance.choice(choices)()

    def baseline(self, depth: int) -> Number:
        value = self.number(depth)
        by, teacher, where = self.key(), self.key(), self.where(depth)
        kind = self.chance.random()
        if kind < 0.2:
            return self.state.novelty(self.key(), by=by, taught_by=teacher, where=where)
        if kind < 0.4:
            return self.state.always(self.logic(depth), by=by, taught_by=teacher, where=where)
        if kind < 0.7:
            return self.state.tail(value, by=by, taught_by=teacher, where=where)
        return self.state.quantile(value, self.chance.choice([0.5, 0.9, 0.999]), by=by, taught_by=teacher, where=where)


def random_plan(seed: int, *, memory: int | None, outside: bool = False) -> Plan:
    """A plan of one to four signals; `memory` caps every table below what the planner would let pass."""
    chance = random.Random(seed)
    kind = DrawnOutside if outside else chance.choice([Drawn, DrawnInOrder])
    detectors = [Chosen(id=f"drawn_{n}", detector=kind(seed + n, chance.randint(1, 2)), q=0.2, flags=n == 0) for n in range(2)]
    plan = finish(*draft(detectors), memory=1 << 33)
    return plan if memory is None else capped(plan, memory)


def capped(plan: Plan, memory: int) -> Plan:
    """The plan with each table held to `memory` bytes."""
    spec = json.loads(plan.spec)
    for table in spec["tables"]:
        table["bytes"] = memory
    return dataclasses.replace(plan, spec=json.dumps(spec))


def random_rows(seed: int, count: int, *, spread: int, steps: tuple[int, ...] = _STEPS) -> list[dict[str, Any]]:
    """Rows with missing values, few or many different ids, repeated and jumping times."""
    chance = random.Random(seed)
    time = 1_700_000_000 * SECOND + chance.randint(0, SECOND)
    rows: list[dict[str, Any]] = []
    for _ in range(count):
        time += chance.choice(steps)
        row: dict[str, Any] = {"time": time, "late": chance.random() < 0.05}
        row |= {name: _id(chance.randint(0, spread)) for name in IDS}
        row |= {name: chance.choice([-1, 0, 1, 1]) for name in CONDITIONS}
        row |= {name: chance.choice([math.nan, 0.0, 1.0, 5.0, 0.3, 20.0]) for name in NUMBERS}
        rows.append(row)
    return rows


def random_cuts(seed: int, count: int) -> list[int]:
    """Where a stream of so many rows is cut, both ends included."""
    chance = random.Random(seed)
    return sorted({0, count, *(chance.randint(0, count) for _ in range(chance.randint(0, 8)))})


def _id(number: int) -> int:
    return number * 0x9E3779B97F4A7C15 & (1 << 64) - 1
