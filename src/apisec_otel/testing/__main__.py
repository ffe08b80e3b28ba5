"""`python -m apisec_otel.testing SCENARIO... > FILE`: scenarios as traces that `replay` and `explain` read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from apisec_otel.testing.scenarios import load, rows_to_spans


def write(scenarios: Sequence[str], out: BinaryIO) -> None:
    """Each scenario as a length-delimited request, as the Collector's file exporter writes them."""
    for scenario in scenarios:
        request = rows_to_spans(load(Path(scenario)))
        out.write(len(request).to_bytes(4, "big") + request)


if __name__ == "__main__":
    write(sys.argv[1:], sys.stdout.buffer)
