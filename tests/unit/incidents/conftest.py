"""Lets the tests import `fakes`, the pipeline in plain Python."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "replay"))
