"""Reading rows of a batch in bulk, and one row's text when it is asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from apisec_otel.findings.text import escape
from apisec_otel.spans.batch import NativeBatch as Batch

Records = NDArray[np.void]
"""A batch's rows as a structured array; the fields are the record's."""

UNMATCHED: Final = "(unmatched)"
"""Endpoint of a request whose service, method or route is not known."""


View = Callable[[Batch], Records]


def native_view(fields: list[tuple[str, str, int]]) -> View:
    """How to see a batch's buffer as rows; `fields` are name, numpy format and offset of each field."""
    names, formats, offsets = (list(column) for column in zip(*fields, strict=True))

    def view(batch: Batch) -> Records:
        buffer = memoryview(cast("Any", batch))
        size = buffer.nbytes // max(1, len(batch))
        record = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": size} if size else [("time", "<i8")])
        return np.frombuffer(buffer, dtype=record)

    return view


class EndpointNames:
    """Names of endpoints by key, so that a name is put together once and not for each row. Holds `limit` names."""

    def __init__(self, limit: int = 16_384) -> None:
        self._names: OrderedDict[int, str] = OrderedDict()
        self._limit = limit

    def name(self, batch: Batch, row: int, key: int) -> str:
        """`service METHOD /route` of the row whose endpoint is `key` (0: not known), control characters escaped."""
        if not key:
            return UNMATCHED
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = escape(batch.text(row, "endpoint") or _composed(batch, row))
            if len(self._names) > self._limit:
                self._names.popitem(last=False)
        return name


def _composed(batch: Batch, row: int) -> str:
    parts = [batch.text(row, column) for column in ("service", "method", "route")]
    return " ".join(part or "?" for part in parts)
