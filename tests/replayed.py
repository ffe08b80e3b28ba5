"""What `replay --format json` prints, for tests that run it over the real pipeline."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Run = Callable[..., tuple[int, str, str]]
"""Files, and how they are replayed; exit code, standard output and standard error."""


def lines(out: str, kind: str) -> list[dict[str, Any]]:
    """The objects of one type."""
    return [line for line in map(json.loads, out.splitlines()) if line["type"] == kind]


def summary(out: str) -> dict[str, Any]:
    """The last line."""
    return lines(out, "summary")[0]
