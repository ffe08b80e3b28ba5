"""Each shipped scenario through real bytes: decoded, understood, judged; whole, and cut into requests of one and of seven rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from shipped import FILES, FOLDER, NATIVE

from apisec_otel.testing.scenarios import load
from apisec_otel.testing.whole import run_pipeline

pytestmark = pytest.mark.skipif(not NATIVE, reason="the native module is not built")
CUTS = [None, 1, 7]


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
@pytest.mark.parametrize("cut", CUTS)
def test_through_the_pipeline(file: Path, cut: int | None) -> None:
    """Findings stand on the expected rows with the expected severity."""
    scenario = load(file)
    assert run_pipeline(scenario, cut=cut) == scenario.expected()


@pytest.mark.parametrize("cut", [*CUTS, 20, 21])
def test_enumeration_is_raised_at_row_21_under_every_cut(cut: int | None) -> None:
    """The example of the detector API, through real bytes."""
    assert run_pipeline(load(FOLDER / "bola_enumeration" / "attack_walk.yaml"), cut=cut)[0] == (21, "high")
