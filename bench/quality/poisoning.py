"""Poisoning: whether the full-strength attack is found after 5 % of the principals worked up to it for 30 days."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from apisec_otel.testing.reference.plan.baselines import DAY, Histogram

DAYS: Final = 30
SEEDS: Final = 20
PRINCIPALS: Final = 200
POISONERS: Final = 10
WINDOWS: Final = 6
USUAL: Final = 5.0
FULL: Final = 400.0
AT_LEAST: Final = 20
TIMES: Final = 3
Q: Final = 1e-4
RAMPS: Final = ("none", "linear", "boiling frog")


class _Live(Histogram):
    """What was learned alone, without the slow reference."""

    def _scale(self) -> float:
        return 1.0


def strength(ramp: str, day: int, days: int) -> float:
    """Objects a window that a poisoner reads on a day, from the usual number to the full one."""
    share = day / max(days - 1, 1)
    if ramp == "none":
        return USUAL
    return USUAL + (FULL - USUAL) * share if ramp == "linear" else USUAL * math.exp(share * math.log(FULL / USUAL))


def found(ramp: str, seed: int, *, days: int = DAYS, reference: bool = True) -> tuple[bool, bool]:
    """Whether the attack at full strength passes `seen > maximum(20, 3 * quantile 0.999)`, and whether its tail is below 1e-4.

    The poisoners start on day 2. Who is flagged on a day does not teach for the day, as in the engine.
    """
    chance = np.random.default_rng(seed)
    learned = Histogram() if reference else _Live()
    for day in range(days + 1):
        flagged: set[int] = set()
        for window in range(WINDOWS):
            rates = chance.gamma(2, USUAL / 2, PRINCIPALS)
            if day:
                rates[:POISONERS] = strength(ramp, day - 1, days)
            values = 1 + chance.poisson(rates)
            time = day * DAY + (window + 1) * (DAY // WINDOWS) - 1
            flagged |= {who for who, value in enumerate(values) if _raised(learned, float(value))}
            for who, value in enumerate(values):
                if who not in flagged:
                    learned.learn(float(value), who + 1, time)
    return _raised(learned, FULL), learned.tail(FULL) < Q


def measure() -> list[str]:
    """How many of the seeds find the attack, with and without the slow reference."""
    lines = ["| ramp | found by its objects | found by its tail | by its objects, no reference | by its tail, no reference |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for ramp in RAMPS:
        cells = []
        for reference in (True, False):
            runs = [found(ramp, seed, reference=reference) for seed in range(SEEDS)]
            cells += [f"{sum(run[way] for run in runs)} of {SEEDS}" for way in (0, 1)]
        lines.append(f"| {ramp} | {' | '.join(cells)} |")
    return lines


def _raised(learned: Histogram, value: float) -> bool:
    """As `bola_enumeration` decides; nothing is raised before there is support."""
    return value > AT_LEAST and learned.supported() and value > TIMES * learned.quantile(0.999)
