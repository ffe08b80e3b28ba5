"""Callers are told apart better than by address, or by address and user agent."""

from __future__ import annotations

import pytest

from bench.quality import identity


@pytest.mark.parametrize("seed", [1, 2])
def test_links_tell_callers_apart_better_than_addresses_and_agents(seed: int) -> None:
    found = identity.scores(seed, people=150, attackers=28)
    ours = found["sessions and links"]
    assert ours.f1 > 0.75
    assert ours.f1 > max(found["address"].f1, found["address and user agent"].f1) + 0.3
    assert ours.f1 > found["sessions"].f1 + 0.1, "links are worth it"
    assert ours.precision > 0.85, "people who share addresses are not taken for one"


def test_attackers_who_rotate_one_thing_at_a_time_are_followed() -> None:
    kinds = identity.scores(3, people=150, attackers=28)["sessions and links"].kinds
    one_at_a_time = [kind for kind in identity.KINDS if kind not in ("among six tokens", "all at once")]
    assert min(kinds[kind] for kind in one_at_a_time) > 0.8
