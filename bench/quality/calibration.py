"""Calibration of `tail`: how often honest values fall below an asked p, by distribution, teachers and q."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from apisec_otel.testing.reference.plan.baselines import Histogram

Sample = Callable[[np.random.Generator, int], "np.ndarray[tuple[int], np.dtype[np.float64]]"]

DISTRIBUTIONS: Final[dict[str, Sample]] = {
    "lognormal": lambda chance, size: chance.lognormal(1, 1, size),
    "gamma": lambda chance, size: chance.gamma(2, 5, size),
    "pareto": lambda chance, size: chance.pareto(1.5, size) + 1,
    "normal": lambda chance, size: np.abs(chance.normal(50, 10, size)),
    "poisson 5": lambda chance, size: chance.poisson(5, size).astype(np.float64),
    "poisson 40": lambda chance, size: chance.poisson(40, size).astype(np.float64),
}
ASKED: Final = (1e-2, 1e-3, 1e-4)
TEACHERS: Final = (100, 1_000, 2_000, 4_000, 16_000)
REPEATS: Final = 25
_TESTED: Final = 1_000_000
_HALVINGS: Final = 45
_MOST_COUNT: Final = 1_000


@dataclass(frozen=True)
class Rate:
    """The mean share of honest values judged below q, over many trainings; and the largest that a count allows below q."""

    empirical: float
    best: float


def rates(name: str, teachers: int, *, repeats: int = REPEATS, tested: int = _TESTED) -> dict[float, Rate]:
    """For each asked q: trains on one value of each teacher, finds where `tail` falls below q, and counts honest values there."""
    chance = np.random.default_rng([sorted(DISTRIBUTIONS).index(name), teachers])
    sample = DISTRIBUTIONS[name]
    honest = np.sort(sample(chance, tested))
    whole = name.startswith("poisson")
    found: dict[float, list[float]] = {q: [] for q in ASKED}
    for _ in range(repeats):
        learned = Histogram()
        for teacher, value in enumerate(sample(chance, teachers), start=1):
            learned.learn(float(value), teacher, 0)
        for q, shares in found.items():
            shares.append(_above(honest, _where(learned, q, float(honest[0]), float(honest[-1]), whole=whole)))
    return {q: Rate(float(np.mean(shares)), _best(honest, q) if whole else q) for q, shares in found.items()}


def measure() -> list[str]:
    """A table: distribution and teachers against the empirical rate over the asked one."""
    lines = ["| values | teachers | q = 0.01 | q = 0.001 | q = 0.0001 |", "| --- | --- | --- | --- | --- |"]
    for name in DISTRIBUTIONS:
        for teachers in TEACHERS:
            cells = [f"{rate.empirical / q:.2f}" for q, rate in rates(name, teachers).items()]
            lines.append(f"| {name} | {teachers:,} | {' | '.join(cells)} |")
    return lines


def _where(learned: Histogram, q: float, low: float, high: float, *, whole: bool) -> float:
    """The least value whose tail is below q."""
    if whole:
        return next((float(value) for value in range(_MOST_COUNT) if learned.tail(float(value)) < q), math.inf)
    high *= 1e4
    for _ in range(_HALVINGS):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if learned.tail(middle) < q else (middle, high)
    return high


def _above(honest: np.ndarray[tuple[int], np.dtype[np.float64]], value: float) -> float:
    return 1 - float(np.searchsorted(honest, value, "left")) / len(honest)


def _best(honest: np.ndarray[tuple[int], np.dtype[np.float64]], q: float) -> float:
    return next(share for value in range(_MOST_COUNT) if (share := _above(honest, float(value))) <= q)
