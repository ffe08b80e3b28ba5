"""Who is linked with whom: whoever rotates address, agent or token keeps his risk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from apisec_otel.spans.batch import NativeBatch

HOP: Final = 0.5
"""Strength of a link between two that are seen together now; that of a path is the product over its links."""
LIVES: Final = 4
"""Half-lives after which a link is forgotten."""
WEAKEST: Final = 0.05
"""Weaker paths are none: four fresh links, or two that are one half-life old."""
MOST: Final = 64
"""Most ids followed from one."""
TAKEOVER: Final = 300 * 10**9
"""Whoever comes to an address or device so soon after another one was last seen there takes over (ns)."""


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Limits of the table of links."""

    bytes: int
    half_life: int
    """A link is half as strong after this long, ns."""
    hub: int
    """An id that is linked to more others than this links nobody."""


class Links:
    """The native table of links, which follows each batch row by row.

    Nodes are principal, session, credential, place (address or IPv6 /64) and device (place with user agent). A caller,
    who is a principal or else a session, is linked with all of them. Principals, sessions and credentials conduct; a
    place or device conducts only from one caller to another who takes over, and no longer once the first comes back:
    then several people take turns there. What links more others than `hub` links nobody. What is asked is
    answered as of the row up to which it has followed, so that cuts of the stream change nothing.
    """

    def __init__(self, settings: LinkSettings) -> None:
        own = {"bytes": settings.bytes, "half_life": settings.half_life, "forget": LIVES * settings.half_life, "hub": settings.hub}
        native = {**own, "hop": HOP, "weakest": WEAKEST, "most": MOST, "takeover": TAKEOVER}
        self._native: Any = import_module("apisec_otel._native").Links(json.dumps(native))
        self._batch: NativeBatch | None = None
        self._at = 0

    def begin(self, batch: NativeBatch) -> None:
        """The batch to follow."""
        self._batch, self._at = batch, 0

    def follow(self, to: int) -> None:
        """Notes who is seen with whom in the batch's rows before `to`."""
        if to > self._at:
            self._native.observe(self._batch, self._at, to)
            self._at = to

    def near(self, entity: int, now: int) -> list[tuple[int, float]]:
        """The ids linked with an entity at stream time `now` (ns), the strongest first, each with its strength, 0 to 1."""
        near: list[tuple[int, float]] = self._native.near(entity, now)
        return near

    def metrics(self) -> dict[str, int]:
        """`entries` and `bytes` now; `evicted` and `expired` since the start."""
        return dict(self._native.metrics())

    def restart(self) -> None:
        """Forgets all links."""
        self._native.restart()

    def snapshot(self) -> Iterator[bytes]:
        """Its state, in shards."""
        return iter(self._native.shards())

    def take(self, shard: bytes) -> bool:
        """Takes up a shard; false when it is of another layout. ValueError: no shard."""
        return bool(self._native.load(shard))
