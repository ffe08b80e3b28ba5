"""What an entity has accumulated: 1 - product over (detector, endpoint) of (1 - best request score)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from math import prod

Pair = tuple[str, int]
"""A detector's id and an endpoint's key."""


def accumulated(scores: Iterable[float]) -> float:
    """The score of an entity from its best request scores.

    >>> accumulated([0.5, 0.5])
    0.75
    """
    return 1 - prod(1 - score for score in scores)


class EntityRisk:
    """Best score of each (detector, endpoint) of each entity.

    Holds `limit` pairs, the entity longest untouched goes first, and forgets an entity `forget` nanoseconds after its
    last signal. An entity keeps `pairs` pairs: past that only known ones grow.
    """

    def __init__(self, limit: int, forget: int, pairs: int = 256) -> None:
        self._entities: OrderedDict[int, tuple[int, dict[Pair, float]]] = OrderedDict()
        self._limit, self._forget, self._pairs = limit, forget, pairs
        self._held = 0
        self.evicted = 0
        """Entities that went before their time."""

    def __len__(self) -> int:
        return self._held

    def add(self, entity: int, pair: Pair, score: float, now: int) -> float:
        """Counts a request's score and answers the entity's. Entity 0 (not known) accumulates nothing."""
        if not entity:
            return score
        self._expire(now)
        last, best = self._entities.get(entity, (now, {}))
        if pair in best or len(best) < self._pairs:
            self._held += pair not in best
            best[pair] = max(score, best.get(pair, 0.0))
        self._entities[entity] = (max(now, last), best)
        self._entities.move_to_end(entity)
        while self._held > self._limit and len(self._entities) > 1:
            self._pop()
            self.evicted += 1
        return accumulated(best.values())

    def _expire(self, now: int) -> None:
        while self._entities and next(iter(self._entities.values()))[0] + self._forget < now:
            self._pop()

    def _pop(self) -> None:
        self._held -= len(self._entities.popitem(last=False)[1][1])
