"""Lets the tests import `fakes`, the pipeline in plain Python, and run the real one."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.replayed import Run

from apisec_otel.cli.options import packaged
from apisec_otel.cli.replay import replay
from apisec_otel.cli.replay_engine import engine_of
from apisec_otel.config import read

sys.path.insert(0, str(Path(__file__).parents[1] / "replay"))


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Replays files over the real pipeline."""

    def run(
        *files: str, learn: Sequence[str] = (), out: Path | None = None, fail_on: str | None = None, settings: Sequence[str] = ()
    ) -> Any:
        engine = engine_of(read([str(packaged("replay"))], settings))
        code = replay(engine, files, form="json", learn=learn, out=out, fail_on=fail_on)
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run
