"""The figures of docs/quality.md on sessions, held to what the model was worked out with, on fewer people."""

from __future__ import annotations

import pytest

from bench.quality.conduct import INTEGRATIONS, stream


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_machines_are_raised_and_neither_people_nor_integrations(share: float) -> None:
    seen = stream(share, seed=3, people=400)
    for kind in ("person", *INTEGRATIONS):
        assert seen.raised(kind)[0] == 0, kind
    for kind, least, soonest in (("regular", 1.0, 30), ("probe", 1.0, 20), ("fuzz", 1.0, 25), ("crawler", 0.7, 60)):
        found, request = seen.raised(kind)
        assert found >= least, kind
        assert request <= soonest, kind
    for kind in ("regular", "random delay", "crawler", "in a browser"):
        assert seen.above(kind) > 0.8, kind
