"""Every shipped exporter passes every check."""

from __future__ import annotations

import pytest

from apisec_otel import builtin
from apisec_otel.testing.checks import Check, for_exporter

NEEDED = {
    "otlp_grpc": {"endpoint": "localhost:14317"},
    "otlp_http": {"endpoint": "http://localhost:14318"},
    "file": {"path": "traces.jsonl"},
    "webhook": {"url": "https://hooks.example.org/apisec"},
}
"""Settings that one cannot do without."""
CHECKS = [
    pytest.param(check, id=f"{id}-{check}")
    for id in builtin.BUILTIN["exporters"]
    for check in for_exporter(builtin.load("exporters", id), settings=NEEDED.get(id))
]


@pytest.mark.parametrize("check", CHECKS)
def test_conformance(check: Check) -> None:
    check()
