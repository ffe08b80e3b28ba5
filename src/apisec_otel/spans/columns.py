"""A batch of spans as numpy columns."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from apisec_otel._native import RECORD_FIELDS, SpanBatch

__all__ = ["RECORD", "SpanBatch", "column", "records"]

RECORD: Final[np.dtype[np.void]] = np.dtype(
    {
        "names": [name for name, _, _ in RECORD_FIELDS],
        "formats": [form for _, form, _ in RECORD_FIELDS],
        "offsets": [offset for _, _, offset in RECORD_FIELDS],
    }
)
"""One row. Missing: id 0, number NaN, flag 0, text `(at, len)` of length 0. Times in ns, `duration` in seconds."""


def records(batch: SpanBatch) -> npt.NDArray[np.void]:
    """The rows of `batch` as they are now, read-only; what native code fills in later is not seen."""
    return np.frombuffer(memoryview(batch), dtype=RECORD) if len(batch) else np.empty(0, dtype=RECORD)


def column(batch: SpanBatch, name: str) -> npt.NDArray[Any]:
    """One field of all rows: a strided view, read-only. KeyError when there is no such field."""
    if name not in (RECORD.names or ()):
        raise KeyError(f"{name}: no such field of a row")
    return records(batch)[name]
