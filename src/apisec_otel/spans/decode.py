"""Request bytes to a batch, in one native call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from apisec_otel import _native
from apisec_otel._native import SpanBatch, Vocabulary

MAX_SPANS = 131_072
"""Spans a request, at most."""


@dataclass(frozen=True)
class Decoder:
    """Decodes requests by one vocabulary.

    A request that is malformed, nested over 64 deep or of more than `max_spans` spans raises ValueError, which begins
    with `offset N:`, the byte at which it is wrong. UTF-8 is not checked.
    """

    vocabulary: Vocabulary
    max_spans: int = MAX_SPANS

    def decode(self, requests: Sequence[bytes]) -> SpanBatch:
        """The batch of serialized ExportTraceServiceRequests, decompressed."""
        return _native.decode(list(requests), self.vocabulary, self.max_spans)

    def decode_json(self, requests: Sequence[bytes]) -> SpanBatch:
        """The same from OTLP/JSON, read as laxly as the Collector reads it."""
        return self.decode([_native.transcode(request) for request in requests])
