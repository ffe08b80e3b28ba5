"""What mypy refuses in a detector before it is ever run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")

SOURCE = Path(__file__).parents[3] / "src"
DETECTOR = """\
from datetime import timedelta
from apisec_otel.api import Logic, Number, Request, State, maximum
def good(row: Request, state: State) -> Logic:
    seen = state.distinct(row.object_id, by=(row.principal, row.endpoint), within=timedelta(minutes=1))
    usual: Number = state.quantile(seen, 0.999, by=row.endpoint, taught_by=row.principal)
    return (row.client == row.network) & (seen > maximum(20, 3 * usual)) & ~row.denied
def bad(row: Request, state: State) -> None:
    """
MISTAKES = [
    "row.principle",
    "row.succeeded & row.status > 20",
    "row.status & row.succeeded",
    "row.client + 1",
    "row.succeeded + 1",
    "row.status > row.client",
    "state.count(by=row.status, within=timedelta(1))",
    "state.count(by=row.client, within=10)",
    "state.count(row.client, within=timedelta(1))",
    "state.trw(row.status, by=row.client)",
    "maximum(row.succeeded, 3)",
]


def test_mypy_finds_mistakes(tmp_path: Path) -> None:
    """Each mistake is an error of its own line, and the good expressions are none."""
    file = tmp_path / "detector.py"
    file.write_text(DETECTOR + "\n    ".join(MISTAKES) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--no-error-summary", str(file)]
    found = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"MYPYPATH": str(SOURCE)}, cwd=tmp_path)
    lines = {int(line.split(":")[1]) for line in found.stdout.splitlines() if ": error:" in line and line.startswith(file.name)}
    first = DETECTOR.count("\n") + 1
    assert lines == set(range(first, first + len(MISTAKES))), found.stdout
