"""Every shipped processor passes every check."""

from __future__ import annotations

import pytest

from apisec_otel import builtin
from apisec_otel.testing.checks import Check, for_processor

NEEDED = {"memory_limiter": {"limit_mib": 512}}
"""Settings that one cannot do without."""
CHECKS = [
    pytest.param(check, id=f"{id}-{check}")
    for id in builtin.BUILTIN["processors"]
    for check in for_processor(builtin.load("processors", id), settings=NEEDED.get(id))
]


@pytest.mark.parametrize("check", CHECKS)
def test_conformance(check: Check) -> None:
    check()
