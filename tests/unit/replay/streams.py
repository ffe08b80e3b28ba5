"""Streams of signals through the judge, cut in any way, and what it tells of incidents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fakes import NAMES, VIEW, Row, Signal, batch_of, keyed_hash

from apisec_otel.findings.incident import Incident
from apisec_otel.findings.weighing import Traits
from apisec_otel.processors.decide import Decide, DecideSettings
from apisec_otel.spans.batch import SpanBatch

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 3600 * SECOND
START = 1_767_225_600 * SECOND
"""2026-01-01, on the hour."""
TRAITS = Traits(deterministic=frozenset({"proof"}), background=frozenset({"noise", "proof"}))


class Links:
    """Who is linked with whom, as a test says."""

    def __init__(self, pairs: dict[tuple[int, int], float]) -> None:
        self._pairs = pairs

    def begin(self, batch: Any) -> None:
        """Nothing to follow."""

    def follow(self, to: int) -> None:
        """Nothing to follow."""

    def restart(self) -> None:
        """Nothing is kept."""

    def snapshot(self) -> list[bytes]:
        return []

    def near(self, entity: int, now: int) -> list[tuple[int, float]]:
        both = [(b, strength) if a == entity else (a, strength) for (a, b), strength in self._pairs.items() if entity in (a, b)]
        return sorted(both, key=lambda one: (-one[1], one[0]))


@dataclass
class Said:
    """A signal raised `at` seconds after START; without `signal` a request that raises nothing."""

    at: float
    signal: Signal | None = None
    row: Row = field(default_factory=Row)


def raised(at: float, detector: str = "guess", *, entity: int = 7, row: Row | None = None, **more: Any) -> Said:
    """A signal of high severity that weighs 20 points, unless said otherwise."""
    told = {"owasp": "API2:2023", "severity": 3, "p": 1e-4, "sentence": f"{detector} saw it"} | more
    return Said(at, Signal(detector=detector, entity=entity, entity_kind="client", **told), row or Row())


def quiet(at: float) -> Said:
    """A request of somebody else that raises nothing."""
    return Said(at, None, Row(user="bob", client="198.51.100.1"))


def judge(links: dict[tuple[int, int], float] | None = None, **settings: Any) -> Decide:
    return Decide(DecideSettings(**settings), VIEW, keyed_hash, NAMES, Links(links or {}), TRAITS)  # type: ignore[arg-type]


def batch(said: Sequence[Said]) -> SpanBatch:
    """Rows of one batch, their signals raised."""
    rows = []
    for each in said:
        start = START + round(each.at * SECOND)
        digest = keyed_hash(repr((each.at, each.signal, each.row)).encode()).to_bytes(8, "big")
        rows.append(replace(each.row, start=start, trace=digest * 2, span=digest))
    made = SpanBatch(batch_of(rows))
    made.raised += [replace(each.signal, row=at) for at, each in enumerate(said) if each.signal is not None]
    return made


def tell(decide: Decide, *parts: Sequence[Said], over: bool = False) -> list[Incident]:
    """What changed, batch by batch."""
    told: list[Incident] = []
    for part in parts:
        made = batch(part)
        decide.process(made)
        told += made.incidents
    if over:
        end = SpanBatch(batch_of([]))
        end.over = True
        decide.process(end)
        told += end.incidents
    return told


def idle(decide: Decide, at: float) -> SpanBatch:
    """Time passes without a request."""
    made = SpanBatch(batch_of([]))
    made.now = START + round(at * SECOND)
    decide.process(made)
    return made


def states(told: Iterable[Incident]) -> list[tuple[str, float]]:
    """State and time of each change, in seconds after START."""
    return [(each.state, (each.time - START) / SECOND) for each in told]
