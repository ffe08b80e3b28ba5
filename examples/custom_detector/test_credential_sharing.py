from pathlib import Path

import pytest
from apisec_credential_sharing.credential_sharing import CredentialSharing

from apisec_otel.testing import checks

SCENARIOS = Path(__file__).parent / "scenarios"


@pytest.mark.parametrize("check", checks.for_detector(CredentialSharing, scenarios=SCENARIOS), ids=str)
def test_conformance(check: checks.Check) -> None:
    check()
