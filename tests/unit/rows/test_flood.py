"""A fiftieth of the flood that `make quality` measures, against tables of a fiftieth."""

import pytest

from bench.quality.flood import KINDS, alone

MIB = 2**20
ARENA = MIB
"""What the interpreter takes from the system at a time: a reading of resident memory is no finer, and here a cap is 5 MiB in all."""
IN_HAND = 1_900 * 600
"""What a batch of this flood takes when a request in it is told of: its rows are copied to be read, which is no state."""


@pytest.mark.parametrize(("kind", "least"), [("once", 0.99), ("twice at once", 0.95)])
def test_a_flood_of_made_up_keys_leaves_the_established_and_the_walk(kind: str, least: float) -> None:
    left = alone(0.02, *KINDS[kind])
    assert left.kept >= least * left.established
    assert left.found
    assert left.grown <= 1.05 * left.caps + ARENA + IN_HAND
    sessions, caps = left.metrics["sessions_bytes"], 0.02 * MIB
    assert left.metrics["sessions_evicted"] > 10 * left.established
    assert sessions <= 1.01 * 32 * caps
    assert sum(value for name, value in left.metrics.items() if name.startswith("table_bytes ")) <= 1.01 * 96 * caps


def test_keys_that_come_twice_seconds_apart_displace_few_that_keep_coming() -> None:
    left = alone(0.05, *KINDS["twice, 2 s apart"])
    assert left.kept >= 0.8 * left.established
    assert left.found
