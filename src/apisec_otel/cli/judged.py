"""What replay gets from the pipeline for each batch, in the form that its outputs read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from apisec_otel.component import EndpointNames
from apisec_otel.findings.finding import SUPPRESSED, Finding, Hash, Rule
from apisec_otel.findings.incident import Incident
from apisec_otel.findings.policy import Tally
from apisec_otel.findings.rows import Records, View
from apisec_otel.findings.severity import SEVERITIES
from apisec_otel.receivers.otlp_json_file import Fault
from apisec_otel.spans.batch import SpanBatch

NANO = 10**9

Told = Incident | Finding
"""What is told on its own, not of a request."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A batch after the pipeline: every row that is judged has a score of each detector, whether or not it was raised."""

    batch: SpanBatch
    """What came, with its findings, suppressed ones too, in the order they were made."""
    scores: Mapping[str, NDArray[np.floating[Any]]]
    """By detector: 0 to 1 for each row; NaN is 0."""
    learning: NDArray[np.bool_]
    """For each row: some detector asked of it lacks support."""
    ended: Sequence[tuple[int, int]] = ()
    """Sessions that will not come again, expired or evicted: the row before which each ended, and its key."""
    restarted: bool = False
    """Another recording begins with this batch: every session of the one before has ended."""
    shadow: frozenset[str] = frozenset()
    """Detectors on trial: their scores are told and count for nothing."""
    held_findings: Sequence[Finding] | None = None
    """Where requests are judged in order: findings on the rows of `batch.steps`, those made earlier too."""
    ranks: NDArray[np.floating[Any]] | None = None
    """Where requests are judged in order: what each row says of its session, 0 to 1; 0 where nothing does."""
    told: Sequence[tuple[int, Told]] = ()
    """Changes of incidents and findings on no request: the row before which each is told, or how many rows there are."""
    drained: Judged | None = None
    """What was still held of the recording before."""

    @property
    def rows(self) -> SpanBatch:
        """The batch whose rows are judged now: that of the requests released, where some detector wants them in order."""
        return self.batch if self.batch.steps is None else self.batch.steps

    @property
    def findings(self) -> Sequence[Finding]:
        """Findings on the rows, suppressed ones too."""
        return self.batch.findings if self.held_findings is None else self.held_findings


class Engine(Protocol):
    """The pipeline on event time, as replay runs it."""

    constant_key: bool
    """No secret is configured: ids are made with a key that everybody knows."""

    @property
    def evicted(self) -> int:
        """Sessions that went for want of room."""

    @property
    def row_view(self) -> View:
        """How to see the rows of a native batch."""

    def view(self, batch: SpanBatch, /) -> Records:
        """The batch's rows."""

    @property
    def rules(self) -> Mapping[str, Rule]:
        """What findings say of the detectors that run."""

    @property
    def keyed_hash(self) -> Hash:
        """What ids are made with."""

    @property
    def endpoint_names(self) -> EndpointNames:
        """Names of endpoints by key."""

    def transcode(self, line: bytes, /) -> bytes:
        """OTLP/JSON as protobuf; ValueError when it is none."""

    def process(self, requests: list[bytes], /) -> Judged:
        """Runs the pipeline. ValueError when a request cannot be decoded; then nothing of the list was counted."""

    def begin(self) -> None:
        """What is processed next is the beginning of a file. One that begins over 10 minutes behind is another recording."""

    def finish(self) -> Judged | None:
        """What was still held at the end of input."""

    def tallies(self) -> list[Tally]:
        """How often each override and each allowed caller applied since the start."""

    def learned(self) -> None:
        """Teaching ends: open windows close; sessions, tallies, risk and retries are forgotten, baselines stay."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The API requests of a batch, repeats left out, as arrays of one length."""

    batch: SpanBatch
    records: Records
    index: NDArray[np.intp]
    names: Sequence[str]
    """Endpoint of each."""
    scores: dict[str, NDArray[np.float64]]
    best: NDArray[np.float64]
    """The largest score of each, detectors on trial left out."""
    learning: NDArray[np.bool_]
    ranks: NDArray[np.float64]
    """What each says of its session, 0 to 1."""

    def __len__(self) -> int:
        return len(self.index)

    def hexadecimal(self, field_name: str) -> list[str]:
        """An id of each, as digits."""
        if not len(self.index):
            return []
        ids = np.ascontiguousarray(self.records[field_name])
        digits, size = ids.tobytes().hex(), 2 * ids.nbytes // len(self.index)
        return [digits[at : at + size] for at in range(0, len(digits), size)]


def new_requests(records: Records) -> NDArray[np.intp]:
    """Rows that are requests and no repeats."""
    if not len(records):
        return np.zeros(0, np.intp)
    return np.flatnonzero((records["request"] == 1) & (records["repeat"] != 1))


def rows_of(judged: Judged, records: Records, names: EndpointNames) -> Rows:
    """The requests of a judged batch."""
    index = new_requests(records)
    kept = records[index]
    scores = {detector: np.nan_to_num(np.asarray(column, np.float64)[index]) for detector, column in judged.scores.items()}
    counting = [column for detector, column in scores.items() if detector not in judged.shadow]
    best = np.max(np.stack(counting), axis=0) if counting else np.zeros(len(index))
    keys, inverse = np.unique(kept["endpoint"], return_inverse=True)
    of_key = [names.name(key) for key in keys.tolist()]
    ranks = np.zeros(len(index)) if judged.ranks is None else np.asarray(judged.ranks, np.float64)[index]
    return Rows(judged.rows, kept, index, [of_key[at] for at in inverse.tolist()], scores, best, judged.learning[index], ranks)


@dataclass(slots=True)
class Summary:
    """What a replay counted."""

    spans: int = 0
    requests: int = 0
    sessions: int = 0
    findings: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SEVERITIES, 0))
    incidents: int = 0
    """How many were opened."""
    suppressed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SUPPRESSED, 0))
    trials: Counter[str] = field(default_factory=Counter)
    """By detector: findings on trial that would have been shown."""
    on_trial: frozenset[str] = frozenset()
    """Detectors on trial, whether or not they raised anything."""
    tallies: list[Tally] = field(default_factory=list)
    """How often each override and each allowed caller applied."""
    faults: list[Fault] = field(default_factory=list)
    """The first of what could not be read."""
    decode_errors: int = 0
    late: int = 0
    evicted: int = 0
    other: int = 0
    """Stored requests for logs or metrics, passed over."""
    restarts: int = 0
    """Files that began over 10 minutes before the end of what came before them."""
    first: int = 0
    last: int = 0
    """Time of the earliest and of the latest request, nanoseconds."""

    @property
    def seconds(self) -> float:
        """Event time covered: the clock on the wall would make two runs differ."""
        return (self.last - self.first) / NANO

    def shadow(self) -> dict[str, dict[str, float | int | None]]:
        """By detector on trial: findings that it would have raised, per day and per 10,000 requests; None where nothing tells."""
        return {
            detector: {
                "findings": self.trials[detector],
                "per_day": round(self.trials[detector] * 86400 / self.seconds, 3) if self.seconds else None,
                "per_10000_requests": round(1e4 * self.trials[detector] / self.requests, 3) if self.requests else None,
            }
            for detector in sorted(self.on_trial | set(self.trials))
        }


def rfc3339(nanoseconds: int) -> str:
    """>>> rfc3339(1_700_000_000_000_000_005)
    '2023-11-14T22:13:20.000000005Z'
    """
    seconds, rest = divmod(nanoseconds, NANO)
    return f"{_second(seconds)}.{rest:09d}Z"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
