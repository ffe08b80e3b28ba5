"""Reading rows of a batch in bulk, and one row's text when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntFlag
from functools import cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from apisec_otel.spans.batch import NativeBatch

Records = NDArray[np.void]
"""A batch's rows as a structured array; the fields are the record's."""


class Mark(IntFlag):
    """Bits of a row's `marks`; the native module has the same."""

    WIDE = 8
    """Its client can take any address of its network (IPv6)."""
    WAITS = 32
    """A gateway's half of a call, which waits for the application's."""
    MERGED = 64
    """A gateway's half of a call of which the application has told."""
    JOINED = 128
    """The application's half of a call, with what the gateway's adds to it; its parent is the gateway's span."""
    ALONE = 1024
    """A gateway's half of a call of which nobody else has told in time."""


def marked(records: Records, mark: Mark) -> NDArray[np.bool_]:
    """Which rows have one of the bits."""
    has: NDArray[np.bool_] = (records["marks"] & np.uint32(mark)) != 0
    return has


View = Callable[[NativeBatch], Records]


def native_view(fields: list[tuple[str, str, int]]) -> View:
    """How to see a batch's buffer as rows; `fields` are name, numpy format and offset of each field."""
    names, formats, offsets = (list(column) for column in zip(*fields, strict=True))

    @cache
    def record(size: int) -> np.dtype[np.void]:
        return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": size} if size else [("time", "<i8")])

    def view(batch: NativeBatch) -> Records:
        buffer = memoryview(cast("Any", batch))
        return np.frombuffer(buffer, dtype=record(buffer.nbytes // max(1, len(batch))))

    return view
