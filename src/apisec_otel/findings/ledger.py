"""All evidence that still counts, by entity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from apisec_otel.findings.evidence import BUCKET, HALF_LIFE, KEPT, Evidence
from apisec_otel.findings.recent import Recent

FORGET: Final = 4 * HALF_LIFE * BUCKET
"""After four half-lives (a day) what is known of an entity is forgotten."""
ROWS: Final = 16
"""Pieces of evidence of a shard."""

Row = tuple[int, int, list[dict[str, Any]]]
"""An entity, when it was last added to, and its evidence."""


class Ledger:
    """Holds `limit` pieces of evidence, five minutes of a detector each; the entity longest untouched goes first."""

    def __init__(self, limit: int) -> None:
        self._entities: Recent[int, tuple[int, list[Evidence]]] = Recent()
        self._limit = limit
        self._held = 0
        self.evicted = 0
        """Entities that went before their time."""

    def __len__(self) -> int:
        return self._held

    def add(self, entity: int, evidence: Evidence, now: int) -> None:
        """Adds to what is known of an entity."""
        self._expire(now)
        _, known = self._entities.get(entity) or (0, [])
        self._put(entity, now, _added(known, evidence))

    def of(self, entity: int) -> list[Evidence]:
        """What is known of an entity."""
        found = self._entities.get(entity)
        return found[1] if found else []

    def spend(self, entity: int) -> None:
        """What is known of an entity counts no more."""
        if found := self._entities.get(entity):
            self._put(entity, found[0], [])

    def rows(self) -> Iterator[list[Row]]:
        """What is remembered, in pieces, longest untouched first."""
        rows: list[Row] = []
        count = 0
        for page in self._entities.pages():
            for entity, (last, known) in page:
                rows.append((entity, last, [each.row() for each in known]))
                count += max(1, len(known))
                if count >= ROWS:
                    yield rows
                    rows, count = [], 0
        yield rows

    def take(self, rows: Iterable[Row]) -> None:
        """Remembers what another one did."""
        for entity, last, known in rows:
            self._put(entity, last, [Evidence.of(each) for each in known])

    def _put(self, entity: int, last: int, known: list[Evidence]) -> None:
        self._held += _room(known) - (_room(found[1]) if (found := self._entities.get(entity)) else 0)
        self._entities.put(entity, (last, known))
        while self._held > self._limit and len(self._entities) > 1:
            self._pop()
            self.evicted += 1

    def _expire(self, now: int) -> None:
        while (first := self._entities.first()) and first[1][0] + FORGET < now:
            self._pop()

    def _pop(self) -> None:
        if popped := self._entities.pop():
            self._held -= _room(popped[1][1])


def _room(known: list[Evidence]) -> int:
    return max(1, len(known))


def _added(known: list[Evidence], evidence: Evidence) -> list[Evidence]:
    """What is known with this; of one detector at most `KEPT` buckets, those that count most."""
    own = [each for each in known if each.detector == evidence.detector]
    for each in own:
        if each.bucket == evidence.bucket:
            each.add(evidence)
            return known
    own.append(evidence.copy())
    newest = max(each.bucket for each in own)
    own.sort(key=lambda each: (-each.points * 0.5 ** ((newest - each.bucket) / HALF_LIFE), each.bucket))
    return [each for each in known if each.detector != evidence.detector] + own[:KEPT]
