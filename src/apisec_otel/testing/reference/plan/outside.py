"""What Python answers, and half-space trees by river itself: one row after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from apisec_otel.testing.reference.plan.pointwise import NAN, Value

TREES = "half_space_trees"
KEYED = {"apply": 0, "fold": 2, "model": 3}
"""Operands behind the columns."""
_LEARNED = 20
_PADDING = 0.15


class Trees:
    """River's own, built over all features before the first row, which may lack some."""

    def __init__(self, settings: Mapping[str, Any], features: int) -> None:
        hst = import_module("river.anomaly.hst")
        self.window: int = settings["window_size"]
        self.words: int = settings["trees"] * (2 ** (settings["height"] + 1) - 1)
        self.learned = 0
        self.instead = {} if settings["instead"] < 0 else {settings["instead"]: settings["value"]}
        self.model = hst.HalfSpaceTrees(settings["trees"], settings["height"], self.window, seed=settings["seed"])
        self.model.trees = [
            hst.make_padded_tree(
                dict.fromkeys(range(features), (0, 1)), height=self.model.height, padding=_PADDING, rng=self.model.rng, r_mass=0, l_mass=0
            )
            for _ in range(self.model.n_trees)
        ]
        self.model._tree_nodes = [list(tree.iter_dfs()) for tree in self.model.trees]  # noqa: SLF001 - as river does with its first row

    def score(self, row: Sequence[Value]) -> float:
        """What river says, once a window is full."""
        return float(self.model.score_one(_present(row) | self.instead)) if self.learned >= self.window else NAN

    def learn(self, row: Sequence[Value]) -> None:
        """Learns one row."""
        self.model.learn_one(_present(row))
        self.learned += 1

    def spilled(self) -> int:
        """A word a node."""
        return self.words


def words_of() -> int:
    """Fixed words an entry."""
    return 2


class Fold:
    """A state by key."""

    def __init__(self, function: Any) -> None:
        self.step, self.start = function.step, function.start
        self.states: dict[int, Any] = {}

    def answer(self, values: list[Any], by: int, counted: bool) -> float:
        """The state with this row folded in."""
        if by == 0:
            return NAN
        state = self.states.get(by, self.start)
        if counted and None not in values:
            try:
                state = self.states[by] = self.step(state, *values)
            except ArithmeticError:
                return NAN
        return _finite(state[0] if isinstance(state, tuple) else state)


class Apply:
    """A function of one row."""

    def __init__(self, function: Any) -> None:
        self.function = function.function

    def answer(self, values: list[Any], by: int, counted: bool) -> float:
        """Missing where a value is, or where the function fails."""
        try:
            return NAN if None in values else _finite(self.function(*values))
        except (ArithmeticError, ValueError):
            return NAN


class Model:
    """A model by key."""

    def __init__(self, function: Any) -> None:
        self.spec = function
        self.kept: dict[int, tuple[Any, list[int]]] = {}

    def answer(self, values: list[Any], by: int, counted: bool) -> float:
        """The score before the row is learned, from the twentieth on."""
        row = {name: value for name, value in zip(self.spec.features, values, strict=True) if value is not None}
        if by == 0 or not row:
            return NAN
        model, learned = self.kept.get(by) or (self.spec.make(), [])
        stand_in = {} if self.spec.instead is None else dict([self.spec.instead])
        score = float(model.score_one(row | stand_in)) if len(learned) >= _LEARNED else NAN
        if counted:
            model.learn_one(row)
            learned.append(1)
            self.kept[by] = (model, learned)
        return _finite(score)


OUTSIDE: dict[str, Callable[[Any], Any]] = {"Fold": Fold, "Apply": Apply, "Model": Model}


def _present(row: Sequence[Value]) -> dict[int, Value]:
    return {at: value for at, value in enumerate(row) if not math.isnan(value)}


def _finite(value: float) -> float:
    return float(value) if math.isfinite(value) else NAN
