"""A finding leads whoever is on call to what to do."""

import re
from pathlib import Path

import pytest

from apisec_otel import builtin
from apisec_otel.findings.finding import Rule
from apisec_otel.findings.gap import RULE

ROOT = Path(__file__).parents[2]
STEPS = ("It means", "Confirm in traces", "Contain", "Recover", "Verify", "False alarms")


@pytest.mark.parametrize("id", builtin.BUILTIN["detectors"])
def test_every_detector_links_a_playbook_that_is_there(id: str) -> None:
    rule = Rule.of(id, builtin.load("detectors", id))
    assert (ROOT / rule.reference).read_text().startswith("# ")
    assert rule.technique.startswith("T")


def test_the_finding_of_absence_links_one_too() -> None:
    assert (ROOT / RULE.reference).read_text().startswith("# ")


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "playbooks").glob("*.md")), ids=lambda page: page.stem)
def test_a_playbook_says_what_to_do_in_order(page: Path) -> None:
    bold = re.findall(r"^\*\*([^*]+)\*\*", page.read_text(), re.MULTILINE)
    assert [step for step in bold if step in STEPS] == list(STEPS)
