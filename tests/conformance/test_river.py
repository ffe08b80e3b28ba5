"""A detector that is made in YAML passes every check that a written one does."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from apisec_otel import builtin
from apisec_otel.testing.checks import Check, for_detector

SCENARIOS = Path(__file__).parents[1] / "scenarios" / "odd_sizes"
SETTINGS = yaml.safe_load((SCENARIOS / "attack_large.yaml").read_text(encoding="utf-8"))["settings"]
CHECKS = for_detector(builtin.load_made("detectors", "river"), scenarios=SCENARIOS, settings=SETTINGS, id="odd_sizes")


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conformance(check: Check) -> None:
    check()
