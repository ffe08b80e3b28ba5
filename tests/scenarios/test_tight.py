"""Dropping a condition of a detector, or halving or doubling a setting, is seen by one of its scenarios."""

from __future__ import annotations

import pytest
from apisec_otel.builtin import load
from shipped import DETECTORS, RUN, scenarios

from apisec_otel.testing.tight import changes, seen

CHANGES = [(detector, change) for detector in DETECTORS for change in changes(load("detectors", detector))]


@pytest.mark.parametrize(("detector", "change"), CHANGES, ids=lambda part: part.replace(" ", "_"))
def test_change_is_seen(detector: str, change: str) -> None:
    """Some scenario comes out differently."""
    assert seen(change, scenarios(detector), RUN)
