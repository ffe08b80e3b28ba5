"""A detector of items passes the checks that one of requests does, and the how-to shows it as it is."""

from __future__ import annotations

import inspect
import textwrap
from pathlib import Path

import pytest
from tests.conformance.long_parameter import LongParameter

from apisec_otel.testing.checks import Check, for_detector

ROOT = Path(__file__).parents[2]
CHECKS = for_detector(LongParameter, scenarios=ROOT / "tests" / "scenarios" / "long_parameter")


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conformance(check: Check) -> None:
    check()


def test_the_how_to_shows_it() -> None:
    page = (ROOT / "docs" / "how-to" / "write-a-detector.md").read_text(encoding="utf-8")
    assert f"```python\n{textwrap.dedent(inspect.getsource(LongParameter.signals))}```" in page
