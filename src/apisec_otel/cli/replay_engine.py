"""The pipeline as replay runs it: the same processors, called in order, on event time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from apisec_otel.cli.judged import Judged
from apisec_otel.findings.finding import Raised
from apisec_otel.findings.rows import View
from apisec_otel.processors.decide import Decide
from apisec_otel.spans.batch import NativeBatch

CONSTANT_SECRET: Final = b"apisec-otel/demo"
"""What ids are made with when no secret is configured: the same in every replay, and known to everybody."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The plan's answers for a batch."""

    raised: Sequence[Raised]
    scores: Mapping[str, NDArray[np.floating[Any]]]
    """By detector, for each row, whether raised or not."""
    learning: NDArray[np.bool_]


class Observer(Protocol):
    """A processor that fills columns: requests, endpoints, sessions."""

    def process(self, batch: NativeBatch, /) -> object: ...


@dataclass(kw_only=True)
class ReplayEngine:
    """Decodes, observes, detects (asking every row), decides."""

    decode: Callable[[list[bytes]], NativeBatch]
    """ValueError when a request cannot be decoded."""
    transcode: Callable[[bytes], bytes]
    view: View
    observers: Sequence[Observer]
    detect: Callable[[NativeBatch], Verdict]
    decide: Decide
    ended: Callable[[], Sequence[int]]
    """Sessions that ended since it was last asked."""
    evictions: Callable[[], int]
    forget_retries: Callable[[], None]
    constant_key: bool = False

    @property
    def evicted(self) -> int:
        """Sessions that went for want of room."""
        return self.evictions()

    def process(self, requests: list[bytes]) -> Judged:
        """Runs the pipeline over the requests as one batch."""
        batch = self.decode(requests)
        for observer in self.observers:
            observer.process(batch)
        verdict = self.detect(batch)
        findings = self.decide.decide(batch, verdict.raised)
        return Judged(batch, findings, verdict.scores, verdict.learning, self.ended())

    def finish(self) -> Judged | None:
        """Nothing is held: rows are judged as they come."""
        return None

    def learned(self) -> None:
        """Forgets what was shown and which spans were seen; baselines stay."""
        self.decide.reset()
        self.forget_retries()
