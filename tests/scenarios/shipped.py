"""Scenarios by detector, for the tests of this folder."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

from apisec_otel.testing.scenarios import Scenario, load, run_native, run_reference

FOLDER = Path(__file__).parent
DETECTORS = sorted(folder.name for folder in FOLDER.iterdir() if folder.is_dir() and any(folder.glob("*.yaml")))
FILES = sorted(FOLDER.glob("*/*.yaml"))
NATIVE = importlib.util.find_spec("apisec_otel._native") is not None
RUN = run_native if NATIVE else run_reference


@cache
def scenarios(detector: str) -> tuple[Scenario, ...]:
    """All scenarios of a detector."""
    return tuple(load(file) for file in FILES if file.parent.name == detector)
