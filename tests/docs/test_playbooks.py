"""A finding leads whoever is on call to what to do."""

from pathlib import Path

import pytest

from apisec_otel import builtin
from apisec_otel.findings.finding import Rule

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("id", builtin.BUILTIN["detectors"])
def test_every_detector_links_a_playbook_that_is_there(id: str) -> None:
    rule = Rule.of(id, builtin.load("detectors", id))
    assert (ROOT / rule.reference).read_text().startswith("# ")
    assert rule.technique.startswith("T")
