"""A batch back to request bytes: what came, with annotations spliced in and secrets overwritten."""

from __future__ import annotations

from apisec_otel import _native
from apisec_otel._native import SpanBatch

MAX_BYTES = 4 * 2**20 - 64 * 2**10
"""Bytes a request sent, at most: under the 4 MiB that servers take by default."""
MAX_SPANS = 8192
"""Spans a request sent, at most."""


def encode(batch: SpanBatch, max_spans: int = MAX_SPANS, max_bytes: int = MAX_BYTES) -> list[list[bytes]]:
    """The parts to send for each member of `batch`, in order. A span over `max_bytes` goes alone."""
    return [_native.split(request, max_spans, max_bytes) for request in batch.encode()]


def merge(requests: list[bytes]) -> bytes:
    """Several requests as one: concatenated requests are one request."""
    return b"".join(requests)
