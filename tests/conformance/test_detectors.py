"""Every shipped detector passes every check."""

from __future__ import annotations

from pathlib import Path

import pytest

from apisec_otel import builtin
from apisec_otel.testing.checks import Check, for_detector

SCENARIOS = Path(__file__).parents[1] / "scenarios"
CHECKS = [
    pytest.param(check, id=f"{id}-{check}")
    for id in builtin.BUILTIN["detectors"]
    for check in for_detector(builtin.load("detectors", id), scenarios=SCENARIOS / id)
]


@pytest.mark.parametrize("check", CHECKS)
def test_conformance(check: Check) -> None:
    check()
