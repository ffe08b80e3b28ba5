"""half_space_trees: the one model that runs natively, and the trees that it is handed."""

from __future__ import annotations

import random
from collections.abc import Mapping

from apisec_otel.plan.kernel import DAY, Kernel
from apisec_otel.plan.node import Setting

_PADDING = 0.15
NAME = "anomaly.HalfSpaceTrees"
DEFAULTS: dict[str, int] = {"n_trees": 10, "height": 8, "window_size": 250, "seed": 0}
"""River's own, and a seed, so that every start has the same trees."""
BOUNDS: dict[str, tuple[int, int]] = {"n_trees": (1, 100), "height": (1, 12), "window_size": (1, 1_000_000), "seed": (0, 2**63 - 1)}


def _emitted(settings: Mapping[str, Setting], features: int) -> Mapping[str, object]:
    trees, height = int(settings["trees"]), int(settings["height"])
    splits = forest(features, trees, height, int(settings["seed"]))
    return dict(settings) | {"features": [feature for feature, _ in splits], "thresholds": [at for _, at in splits]}


HALF_SPACE_TREES = Kernel(
    name="half_space_trees",
    family="model",
    operands=(("by", "id"), ("taught_by", "id"), ("where", "logic")),
    leading="feature",
    emitted=_emitted,
    cells=2,
    spill=lambda settings: int(settings["trees"]) * ((2 << int(settings["height"])) - 1),
    expiry=lambda settings: 7 * DAY // DAY.resolution * 1_000,
    own="feature",
)


def forest(features: int, trees: int, height: int, seed: int) -> list[tuple[int, float]]:
    """Feature and threshold of each split, tree after tree and level after level: those of river's trees of this seed."""
    chance = random.Random(seed)  # noqa: S311 - the trees are no secret
    return [split for _ in range(trees) for split in _levels(_tree(chance, [(0.0, 1.0)] * features, height), height)]


def _tree(chance: random.Random, limits: list[tuple[float, float]], height: int, at: int = 0) -> dict[int, tuple[int, float]]:
    """A tree over boxes: a feature by the length of its side, a threshold inside it, then its left and its right half."""
    if height == 0:
        return {}
    feature = chance.choices(population=range(len(limits)), weights=[high - low for low, high in limits])[0]
    low, high = limits[feature]
    threshold = chance.uniform(low + _PADDING * (high - low), high - _PADDING * (high - low))
    halves = [[*limits[:feature], half, *limits[feature + 1 :]] for half in ((low, threshold), (threshold, high))]
    found = {at: (feature, threshold)}
    for side, half in enumerate(halves, 1):
        found |= _tree(chance, half, height - 1, 2 * at + side)
    return found


def _levels(tree: Mapping[int, tuple[int, float]], height: int) -> list[tuple[int, float]]:
    return [tree[at] for at in range((1 << height) - 1)]
