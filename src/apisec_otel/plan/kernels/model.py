"""model: any of river's anomaly detectors, one for each key; half-space trees run natively."""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apisec_otel.errors import suggest
from apisec_otel.plan.column import Column, Logic, Number, described, one_graph_of
from apisec_otel.plan.kernel import Kernel, Key, Memory, asked_of
from apisec_otel.plan.kernels import half_space_trees
from apisec_otel.plan.kernels.half_space_trees import HALF_SPACE_TREES
from apisec_otel.plan.keys import Keys
from apisec_otel.plan.node import PlanError, Setting
from apisec_otel.plan.outside import Running, Value
from apisec_otel.plan.words import listed

MODELS = 256
"""Models that one node keeps at most in Python, one a key."""
LEARNED = 20
"""Rows that a model in Python learns before it is asked."""

Param = float | int | str | bool

MODEL = Kernel(
    name="model",
    family="model",
    operands=HALF_SPACE_TREES.operands,
    leading="feature",
    outside=True,
    cells=0,
    expiry=HALF_SPACE_TREES.expiry,
    own="feature",
)


@dataclass(frozen=True)
class Model:
    """A model by name, with its parameters and the names of its features."""

    name: str
    params: tuple[tuple[str, Param], ...]
    features: tuple[str, ...]
    instead: tuple[str, float] | None = None

    def make(self) -> Any:
        """A fresh one."""
        return _class(self.name)(**dict(self.params))

    def running(self) -> Running:
        """With no key known."""
        return _Learning(self)


class _Learning(Running):
    stays = True

    def __init__(self, spec: Model) -> None:
        super().__init__(spec.name)
        self._spec = spec
        self._kept: Keys[list[Any]] = Keys(MODELS)

    @property
    def keys(self) -> int:
        return len(self._kept)

    @property
    def evicted(self) -> int:
        return self._kept.evicted

    def row(self, values: tuple[Value, ...], key: int, counted: bool, asked: bool, time: int) -> float:
        row = {name: value for name, value in zip(self._spec.features, values, strict=True) if value is not None}
        if key == 0 or not row:
            return math.nan
        kept = self._kept.get(key)
        asked_row = row if self._spec.instead is None else row | dict([self._spec.instead])
        score = float(kept[0].score_one(asked_row)) if asked and kept and kept[1] >= LEARNED else math.nan
        if counted:
            kept = kept or [self._spec.make(), 0]
            kept[0].learn_one(row)
            kept[1] += 1
            self._kept.put(key, kept, time)
        return score


def model(
    memory: Memory,
    name: str,
    features: Mapping[str, Number],
    *,
    by: Key,
    taught_by: Key,
    where: Logic | None = None,
    instead: tuple[str, float] | None = None,
    **params: Param,
) -> Number:
    """How odd a row is to a river model of its key: scored first, then learned, unless the row's teacher is flagged.

    `name` is of river, as in "anomaly.HalfSpaceTrees"; `params` are the model's own, its `seed` 0 unless given. Missing
    features are left out. Half-space trees over features from 0 to 1 run natively: missing until their first window is
    full. Other models run in Python for each row: missing until 20 rows are learned, 256 keys at most, not kept over a
    restart. With `instead` a row is scored as if that feature had that value, and learned as it is: how far the score
    falls says how much of it the feature is (substitution). What a model raises is counted, and the answer is missing.

    >>> state.model("anomaly.HalfSpaceTrees", {"pace": u, "size": v}, by=row.service, taught_by=row.actor)  # doctest: +SKIP
    """
    ordered = dict(sorted(_checked(memory, features).items()))
    leading = [column.position for column in ordered.values()]
    operands = {"by": by, "taught_by": taught_by, "where": where}
    if is_native(name, params):
        at, value = _place(ordered, instead)
        settings: dict[str, Setting] = {**_bounded({**half_space_trees.DEFAULTS, **params}), "instead": at, "value": value}
        return Number(memory.graph, asked_of(memory, HALF_SPACE_TREES, leading, operands, **settings))
    spec = Model(name, tuple(sorted(_params(name, params).items())), tuple(ordered), instead)
    _place(ordered, instead)
    _try(spec)
    marks: dict[str, Setting] = {"function": memory.graph.function(spec), "model": repr(spec)}
    return Number(memory.graph, asked_of(memory, MODEL, leading, operands, **marks))


def is_native(name: str, params: Mapping[str, Param]) -> bool:
    """Whether it runs natively: half-space trees with no arguments but those that the native ones know."""
    return name == half_space_trees.NAME and set(params) <= set(half_space_trees.DEFAULTS)


def wrong(name: str, params: Mapping[str, Param]) -> Iterator[tuple[str, str]]:
    """What a model cannot be: of which argument, or nothing where it is the model itself, and what is allowed."""
    try:
        taken = list(half_space_trees.DEFAULTS) if name == half_space_trees.NAME else _taken(name)
        unknown = [param for param in params if param not in taken]
        yield from ((param, f"{name} takes no {param}; {suggest(param, taken)}") for param in unknown)
        if not unknown and name == half_space_trees.NAME:
            yield from _out_of_bounds({**half_space_trees.DEFAULTS, **params})
        elif not unknown:
            _try(Model(name, tuple(sorted(_params(name, params).items())), ("a", "b")))
    except PlanError as error:
        yield "", str(error).removeprefix("model: ")


def words(params: Mapping[str, Param]) -> int:
    """How many 8-byte words native half-space trees take for each key, and as many again for each feature."""
    settings = _bounded({**half_space_trees.DEFAULTS, **params})
    return HALF_SPACE_TREES.largest({**settings}) // 8


def _checked(memory: Memory, features: Mapping[str, Number]) -> Mapping[str, Number]:
    if not isinstance(features, Mapping) or not features:
        raise PlanError("model: `features` is a dict of names and numbers, at least one.")
    for name, column in features.items():
        if not isinstance(column, Number):
            raise PlanError(f"model: feature {name} is a number; {described(column)}.")
        one_graph_of(memory.graph, column)
    return features


def _place(features: Mapping[str, Number], instead: tuple[str, float] | None) -> tuple[int, float]:
    if instead is None:
        return -1, 0.0
    name, value = instead
    if name not in features or isinstance(value, Column) or not math.isfinite(value):
        raise PlanError(f"model: `instead` is a feature and a plain number, as in ({next(iter(features))!r}, 0.5); it is {instead!r}.")
    return list(features).index(name), float(value)


def _bounded(params: Mapping[str, Param]) -> dict[str, int]:
    for _, sentence in _out_of_bounds(params):
        raise PlanError(f"model: {sentence}")
    settings = {name: int(params[name]) for name in ("height", "window_size", "seed")}
    return settings | {"trees": int(params["n_trees"])}


def _out_of_bounds(params: Mapping[str, Param]) -> Iterator[tuple[str, str]]:
    for name, (least, most) in half_space_trees.BOUNDS.items():
        value = params[name]
        if isinstance(value, Column) or not isinstance(value, int) or not least <= value <= most:
            yield name, f"`{name}` is {value!r}; a whole number from {least} to {most} is wanted."


def _class(name: str) -> Any:
    module, _, kind = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(f"river.{module}" if module else "river"), kind, None)
    except ImportError as error:
        raise PlanError(f"model: {name}: {error}; river's anomaly detectors are named as in anomaly.HalfSpaceTrees.") from error
    if found is None:
        raise PlanError(f"model: river has no {name}; there is {listed(_names())}.")
    return found


def _names() -> list[str]:
    anomaly = importlib.import_module("river.anomaly")
    base = importlib.import_module("river.base").AnomalyDetector
    return [f"anomaly.{name}" for name in anomaly.__all__ if inspect.isclass(kind := getattr(anomaly, name)) and issubclass(kind, base)]


def _params(name: str, params: Mapping[str, Param]) -> dict[str, Param]:
    return ({"seed": 0} if "seed" in _taken(name) else {}) | dict(params)


def _taken(name: str) -> list[str]:
    """The arguments of a model."""
    return list(inspect.signature(_class(name)).parameters) if callable(_class(name)) else []


def _try(spec: Model) -> None:
    """Scores and learns a few rows, so that what cannot work is refused at start."""
    try:
        tried = spec.make()
    except PlanError:
        raise
    except Exception as error:
        raise PlanError(f"model: {spec.name}: {error}.") from error
    missing = [verb for verb in ("score_one", "learn_one") if not callable(getattr(tried, verb, None))]
    if missing:
        raise PlanError(f"model: {spec.name} has no {' and no '.join(missing)}; there is {listed(_names())}.")
    try:
        for step in range(3):
            row = {name: (at + step) / (len(spec.features) + 3) for at, name in enumerate(spec.features)}
            float(tried.score_one(row))
            tried.learn_one(row)
    except Exception as error:
        raise PlanError(f"model: {spec.name} cannot score rows of numbers: {type(error).__name__}: {error}.") from error
