"""What ranks a session makes all that is raised on it weigh more: each signal is given its session's rank as of its row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from apisec_otel.component import Host
from apisec_otel.findings.finding import Raised
from apisec_otel.findings.risk import LEAST_RANK
from apisec_otel.spans.batch import SpanBatch

Signal = TypeVar("Signal", bound=Raised)

SHARE: Final = 64
"""Of what detectors may remember one part in so many is for ranks."""


class Ranking:
    """Remembers the rank of each session from the requests that are judged in order, 6 s behind.

    `signals` are the positions of the signals that rank; of several the largest counts. Past `max_bytes` the sessions that
    were ranked longest ago are forgotten. Answers are as of a row, so that cuts of the stream change nothing.
    """

    def __init__(self, signals: Sequence[int], max_bytes: int, host: Host) -> None:
        self._signals, self._view = signals, host.view
        self._native: Any = import_module("apisec_otel._native").Ranks(max_bytes, LEAST_RANK)
        host.telemetry.observe("apisec_ranked_sessions", lambda: float(self._native.counts()[0]))
        host.telemetry.observe("apisec_ranked_sessions_evicted", lambda: float(self._native.counts()[1]), "counter")

    def rank(self, batch: SpanBatch, told: Sequence[bytes]) -> None:
        """Takes up what each signal said of the requests released with a batch, and ranks what was raised on both."""
        steps = batch.steps
        released, before = (None, None) if steps is None or not len(steps) else (steps.native, steps.before)
        asked = [*self._asked(batch, before), *(self._asked(steps) if steps is not None else ())]
        told = [told[signal] for signal in self._signals] if released is not None else []
        ranks = iter(self._native.follow(released, told, asked)) if released is not None or asked else iter(())
        batch.raised = _ranked(batch.raised, ranks)
        if steps is not None:
            steps.raised = _ranked(steps.raised, ranks)

    def _asked(self, batch: SpanBatch, before: NDArray[np.uint32] | None = None) -> Iterator[tuple[int, int]]:
        """Each signal's session, and how many requests were released until its row: a released one counts itself."""
        if not batch.raised:
            return
        sessions = self._view(batch.native)["session"]
        for each in batch.raised:
            until = each.row + 1 if batch.steps is None else 0 if before is None else int(np.searchsorted(before, each.row, side="right"))
            yield int(sessions[each.row]), until

    def restart(self) -> None:
        """Forgets all."""
        self._native.restart()

    def snapshot(self) -> Iterator[bytes]:
        """Ranks, in shards."""
        return iter(self._native.shards())

    def restore(self, shards: Iterable[bytes]) -> list[str]:
        """Goes on from there. ValueError: no shards."""
        return [] if all(self._native.load(shard) for shard in shards) else ["ranks of sessions in another layout"]


def _ranked(raised: Sequence[Any], ranks: Iterator[float]) -> list[Any]:
    return [replace(each, rank=rank) if rank else each for each, rank in zip(raised, ranks, strict=False)]
