"""What baselines promise in figures: calibration, poisoning, bounds; on the generators that `make quality` prints."""

from __future__ import annotations

import pytest

from apisec_otel.testing.reference.plan.learned import Always, Novelty
from bench.quality.calibration import DISTRIBUTIONS, rates
from bench.quality.poisoning import found


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_tail_is_calibrated(name: str) -> None:
    """From 2,000 teachers on within a factor of two of what is asked, or of the nearest rate that a count allows."""
    for q, rate in rates(name, 3_000, repeats=30).items():
        assert rate.best / 2 <= rate.empirical <= 2 * q, f"q = {q}: {rate}"


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_few_teachers_are_conservative(name: str) -> None:
    """100 teachers can say 1 in 101 and no less."""
    found_rates = rates(name, 100, repeats=12, tested=100_000)
    assert found_rates[1e-2].empirical <= 2e-2
    assert found_rates[1e-3].empirical == found_rates[1e-4].empirical == 0


@pytest.mark.parametrize("ramp", ["linear", "boiling frog"])
def test_a_ramp_does_not_teach_the_attack(ramp: str) -> None:
    """After 30 days of 5 % poisoners the attack is found by its objects and by its tail; without the reference by neither."""
    assert found(ramp, 101) == (True, True)
    assert found(ramp, 101, reference=False) == (False, False)


@pytest.mark.parametrize(
    ("held", "broken", "bound"), [(100, 0, 0.955), (300, 0, 0.985), (500, 0, 0.991), (1000, 0, 0.995), (499, 1, 0.987), (998, 2, 0.992)]
)
def test_bounds_of_always(held: int, broken: int, bound: float) -> None:
    """The lower bounds that a detector's threshold is chosen by."""
    assert Always(held, broken).answer() == pytest.approx(bound, abs=6e-4)


def test_novelty_says_how_open_a_key_is() -> None:
    """Ten values taught often leave little room for an eleventh; a key that never repeats has all the room, also when full."""
    closed, opened = Novelty(), Novelty()
    for number in range(1_000):
        closed.learn((1 + number % 10) << 16, number, 0)
        opened.learn((1 + number) << 16, number, 0)
    assert closed.answer(5 << 16) == 1
    assert closed.answer(99 << 16) == 1 / 1_001
    assert opened.answer(9_999 << 16) == 1
    assert opened.spilled() == 256 + 20
