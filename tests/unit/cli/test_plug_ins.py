"""Plug-ins that raise when they are built, planned or started: named, with what they said, and nothing runs half."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = '''
from dataclasses import dataclass
from typing import ClassVar

from apisec_otel.api import Request, State


@dataclass(frozen=True, kw_only=True)
class Unbuilt:
    """Cannot be built."""

    needs: ClassVar[frozenset[str]] = frozenset()
    provides: ClassVar[frozenset[str]] = frozenset()

    def build(self, host):
        raise RuntimeError("no licence")


@dataclass(frozen=True, kw_only=True)
class Unstarted:
    """Cannot be started."""

    def build(self, host):
        return self

    def start(self):
        raise RuntimeError("no licence")

    def stop(self):
        """Nothing."""

    def export(self, signal, bodies):
        """Nothing."""


@dataclass(frozen=True, kw_only=True)
class Unplanned:
    """Cannot be planned."""

    owasp: ClassVar[str] = "API1:2023"
    severity: ClassVar[str] = "low"

    def signals(self, row: Request, state: State):
        raise RuntimeError("no licence")
'''
ENTRIES = """[apisec_otel.processors]
unbuilt = acme_rules:Unbuilt
[apisec_otel.exporters]
unstarted = acme_rules:Unstarted
[apisec_otel.detectors]
unplanned = acme_rules:Unplanned
"""
CONFIG = """receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:0"}}}}}}}}
processors: {{unbuilt: {{}}, requests: {{}}, endpoints: {{}}, sessions: {{}}, detect: {{}}}}
exporters: {{debug: {{}}, unstarted: {{}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], processors: [{processors}], exporters: [{exporter}]}}}}
"""


@pytest.mark.parametrize(
    ("processors", "exporter", "said"),
    [
        ("unbuilt", "debug", "error: processors::unbuilt cannot be built: RuntimeError: no licence"),
        ("requests", "unstarted", "error: exporters::unstarted cannot start: RuntimeError: no licence"),
        ("requests, endpoints, sessions, detect", "debug", "processors::detect: Unplanned.signals line 44: no licence"),
    ],
)
def test_one_that_raises_at_start_is_named(tmp_path: Path, processors: str, exporter: str, said: str) -> None:
    info = tmp_path / "acme_rules-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-rules\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text(ENTRIES)
    (tmp_path / "acme_rules.py").write_text(MODULE)
    (tmp_path / "config.yaml").write_text(CONFIG.format(processors=processors, exporter=exporter))
    done = subprocess.run(
        [sys.executable, "-m", "apisec_otel", "run", "--config", tmp_path / "config.yaml"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 2
