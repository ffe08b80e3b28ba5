"""Conformance: what every detector, processor and exporter must pass, in one call.

    from apisec_otel.testing import checks

    @pytest.mark.parametrize("check", checks.for_detector(CredentialSharing, scenarios="scenarios"), ids=str)
    def test_conformance(check):
        check()

A check raises AssertionError with a sentence; pytest is not needed. A class whose package is not installed is checked as if it were.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from apisec_otel.testing.checks import declaration, processors, stories
from apisec_otel.testing.checks.check import Check
from apisec_otel.testing.checks.settings import checks as checks_of_settings
from apisec_otel.testing.checks.subject import subject

__all__ = ["Check", "for_detector", "for_exporter", "for_processor"]


def for_detector(
    detector: type[Any], *, scenarios: str | Path | None = None, settings: Mapping[str, Any] | None = None, id: str = ""
) -> list[Check]:
    """Every check of a detector. `scenarios` is the folder of its YAML files; ValueError when one cannot be read.

    `settings` are those, as in YAML, that it cannot do without. One that is made in YAML (`River`) has its `id` there, and
    its scenarios say those settings again.
    """
    one = subject("detectors", detector, scenarios, settings, id)
    config = next((scenario.config for _, scenario in one.scenarios if scenario.config), {})
    return [*checks_of_settings(one), *declaration.checks(one, config), *stories.checks(one, config)]


def for_processor(processor: type[Any], *, settings: Mapping[str, Any] | None = None) -> list[Check]:
    """Every check of a processor, by its settings class. `settings` are those, as in YAML, that it cannot do without."""
    one = subject("processors", processor, settings=settings)
    return [*checks_of_settings(one), *processors.checks(one)]


def for_exporter(exporter: type[Any], *, settings: Mapping[str, Any] | None = None) -> list[Check]:
    """Every check of an exporter, by its settings class. `settings` are those, as in YAML, that it cannot do without."""
    return checks_of_settings(subject("exporters", exporter, settings=settings))
