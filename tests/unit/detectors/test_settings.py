"""Settings are checked against their bounds, and detectors share one plan; tests/conformance has the rest."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from apisec_otel.detectors.auth_bruteforce import AuthBruteforce
from apisec_otel.detectors.bola_enumeration import BolaEnumeration
from apisec_otel.detectors.scan_probing import ScanProbing
from apisec_otel.plan.build import build
from apisec_otel.plan.draft import Chosen

DETECTORS: list[Any] = [BolaEnumeration, AuthBruteforce, ScanProbing]


@pytest.mark.parametrize(
    ("detector", "settings"),
    [
        (BolaEnumeration, {"at_least": 0}),
        (BolaEnumeration, {"window": timedelta(days=2)}),
        (AuthBruteforce, {"normal": 1.0}),
        (ScanProbing, {"half_life": timedelta(0)}),
    ],
)
def test_out_of_bounds_is_refused(detector: Any, settings: dict[str, Any]) -> None:
    """Bounds are part of the setting."""
    with pytest.raises(ValidationError):
        TypeAdapter(detector).validate_python(settings)


def test_together_they_are_one_plan() -> None:
    """All detectors in one plan keep to the default memory."""
    plan = build([Chosen(id=detector.__name__, detector=detector()) for detector in DETECTORS])
    assert [statement.detector for statement in plan.statements] == ["BolaEnumeration", "AuthBruteforce", "ScanProbing", "ScanProbing"]
