"""How unlike the others a row is, by several numbers at once: ranked, scored by a model, and taken apart again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from apisec_otel.plan.column import Logic, Number
from apisec_otel.plan.functions import maximum, when
from apisec_otel.plan.kernel import Key
from apisec_otel.plan.kernels.model import Param
from apisec_otel.plan.signal import Evidence
from apisec_otel.plan.state import State

USUAL = 0.5
"""The rank, and the quantile, of what is most usual."""


@dataclass(frozen=True)
class Oddness:
    """What a model says of a row."""

    rare: Number
    """The share of teachers at least as odd: a p-value."""
    evidence: Mapping[str, Evidence]
    """The features that make it odd beside what is usual; those that do not are missing."""


def oddness(
    state: State,
    name: str,
    params: Mapping[str, Param],
    features: Mapping[str, Number],
    *,
    by: Key,
    taught_by: Key,
    where: Logic | None = None,
    learned: Logic | None = None,
    judged: Logic | None = None,
) -> Oddness:
    """How unlike other rows of its key a row is to a river model, made with `params`, over the ranks of its features, and which make it so.

    Each feature is ranked among what teachers had (`where` says in which rows); the model learns the ranks of the rows that are
    `learned`, and its score is ranked among those of the rows that are `judged`. A feature is evidence where the score falls at
    least half as far as for any other when it is taken to be usual: the model is kept once more for each feature.
    """
    ranks = {each: 1 - state.tail(value, by=by, taught_by=taught_by, where=where) for each, value in features.items()}

    def odd(instead: tuple[str, float] | None = None) -> Number:
        return state.model(name, ranks, by=by, taught_by=taught_by, where=learned, instead=instead, **params)

    score = odd()
    reasons = {each: score - odd((each, USUAL)) for each in features}
    strongest = _largest(list(reasons.values()))
    usual = {each: state.quantile(value, USUAL, by=by, taught_by=taught_by, where=where) for each, value in features.items()}
    rare = state.tail(score, by=by, taught_by=taught_by, where=judged)
    return Oddness(rare, {each: (only(reasons[each] >= maximum(strongest / 2, 0), value), usual[each]) for each, value in features.items()})


def _largest(values: list[Number]) -> Number:
    return values[0] if len(values) == 1 else maximum(*values)


def only(condition: Logic, value: Number) -> Number:
    """The value where the condition holds, else nothing."""
    return when(condition, value, value / 0)
