"""What an entity has accumulated: 1 - product over (detector, endpoint) of (1 - best request score).

The best score is its own, or that of a linked entity times the strength of the link: linked entities together have at
most the risk that they would have had as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from math import prod

from apisec_otel.findings.recent import Recent

Pair = tuple[str, int]
"""A detector's id and an endpoint's key."""
Row = tuple[int, int, list[tuple[str, int, float]]]
"""An entity, its last signal's time, and its best score of each pair: what is kept of it."""

ROWS = 128
"""Pairs of a piece."""
SHARING = 20
"""Most linked entities whose risk counts."""
LEAST_RANK = 0.05
"""Lower ranks of sessions weigh nothing: a score of 1 by `session_conduct`, from which on it is said to count."""


def accumulated(scores: Iterable[float]) -> float:
    """The score of an entity from its best request scores.

    >>> accumulated([0.5, 0.5])
    0.75
    """
    return 1 - prod(1 - score for score in scores)


def weighed(score: float, rank: float) -> float:
    """A request's score where its session ranks so high, 0 to 1: up to twice as much, and no more than 1.

    >>> weighed(0.25, 0.5), weighed(0.25, 0.04), weighed(0.75, 0.5)
    (0.375, 0.25, 1.0)
    """
    return min(1.0, score * (1 + rank)) if rank >= LEAST_RANK else score


class EntityRisk:
    """Best score of each (detector, endpoint) of each entity.

    Holds `limit` pairs, the entity longest untouched goes first, and forgets an entity `forget` nanoseconds after its
    last signal. An entity keeps `pairs` pairs: past that only known ones grow.
    """

    def __init__(self, limit: int, forget: int, pairs: int = 256) -> None:
        self._entities: Recent[int, tuple[int, dict[Pair, float]]] = Recent()
        self._limit, self._forget, self._pairs = limit, forget, pairs
        self._held = 0
        self.evicted = 0
        """Entities that went before their time."""

    def __len__(self) -> int:
        return self._held

    def add(self, entity: int, pair: Pair, score: float, now: int, near: Iterable[tuple[int, float]] = ()) -> float:
        """Counts a request's score and answers the entity's. Entity 0 (not known) accumulates nothing.

        `near`: entities that are linked with it, the strongest first, each with the strength of the link.
        """
        if not entity:
            return score
        self._expire(now)
        last, best = self._entities.get(entity) or (now, {})
        if pair in best or len(best) < self._pairs:
            self._held += pair not in best
            best[pair] = max(score, best.get(pair, 0.0))
        self._put(entity, max(now, last), best)
        return accumulated(self._shared(best, near).values())

    def _shared(self, best: dict[Pair, float], near: Iterable[tuple[int, float]]) -> dict[Pair, float]:
        known = ((self._entities.get(other), strength) for other, strength in near)
        shared = dict(best)
        for found, strength in islice(((found, strength) for found, strength in known if found), SHARING):
            for pair, score in found[1].items():
                shared[pair] = max(strength * score, shared.get(pair, 0.0))
        return shared

    def rows(self) -> Iterator[list[Row]]:
        """What is remembered, in pieces, longest untouched first."""
        rows: list[Row] = []
        pairs = 0
        for page in self._entities.pages():
            for entity, (last, best) in page:
                rows.append((entity, last, [(*pair, score) for pair, score in best.items()]))
                pairs += len(best)
                if pairs >= ROWS:
                    yield rows
                    rows, pairs = [], 0
        yield rows

    def take(self, rows: Iterable[Row]) -> None:
        """Remembers what another one did."""
        for entity, last, scores in rows:
            best = {(detector, endpoint): score for detector, endpoint, score in scores[: self._pairs]}
            known = self._entities.get(entity)
            self._held += len(best) - (len(known[1]) if known else 0)
            self._put(entity, last, best)

    def _put(self, entity: int, last: int, best: dict[Pair, float]) -> None:
        self._entities.put(entity, (last, best))
        while self._held > self._limit and len(self._entities) > 1:
            self._pop()
            self.evicted += 1

    def _expire(self, now: int) -> None:
        while (first := self._entities.first()) and first[1][0] + self._forget < now:
            self._pop()

    def _pop(self) -> None:
        if popped := self._entities.pop():
            self._held -= len(popped[1][1])
