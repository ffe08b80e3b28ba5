"""Why a request is unusual: its strongest term, how often it was so and of how many; never the value."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from apisec_otel.testing.reference.payload.items import Piece
from apisec_otel.testing.reference.payload.state import Parameter
from apisec_otel.testing.reference.payload.terms import Levels, Terms
from apisec_otel.testing.reference.text import CLASSES, Features

Reason = tuple[tuple[str, str, str, str], bool, float, float, int, list[float]]
"""As the product's: feature, place, name and word; whether the word is missing; seen, of how many; length; nats by part."""

_WORDS = {
    "a": "small letters", "A": "capital letters", "9": "digits", " ": "spaces", "nul": "NUL", "break": "line breaks", "tab": "tabs",
    "control": "control characters", "high": "characters beyond ASCII", "not utf-8": "broken UTF-8", "utf-8": "UTF-8",
    "double": "characters encoded twice", "percent_u": "%u escapes",
}  # fmt: skip


@dataclass
class Item:
    """One value, where it stands, what is known there and how unusual it is."""

    piece: Piece
    keys: tuple[object, object, object]
    levels: Levels
    value: Features
    terms: Terms
    total: float
    short: int = 0


@dataclass
class Named:
    """What is unusual about the names: in nats; the share that have one which is missing, or the one that is new."""

    nats: float = 0.0
    doubled: float = 0.0
    missing: tuple[int, int] | None = None
    new: int | None = None


@dataclass
class Parts:
    """What a score is made of."""

    items: Sequence[Item]
    path: float
    names: Named
    requests: int
    best: float = field(init=False)

    def __post_init__(self) -> None:
        """The worst item counts."""
        self.best = max([0.0, *(item.total for item in self.items)])

    @property
    def nats(self) -> list[float]:
        """Of value, path, names and doubled ones."""
        return [self.best, self.path, self.names.nats, self.names.doubled]


def reason(parts: Parts, syntax_json: str) -> Reason:
    """The strongest term; of equals an item's before the path's before the names'."""
    most = max(parts.nats)
    if parts.items and most == parts.best:
        return _of_item(max(reversed(parts.items), key=lambda item: item.total), parts.nats, syntax_json)
    if most == parts.path:
        return ("path", "", "", ""), False, 0.0, 0.0, 0, parts.nats
    return _of_names(parts)


def _of_names(parts: Parts) -> Reason:
    said, requests = parts.names, float(parts.requests)
    new = [item for item in parts.items if item.piece.place == "parameter" and item.short == said.new]
    if said.doubled > said.nats:
        return ("doubled", "", "", ""), False, 0.0, requests, 0, parts.nats
    if said.missing:
        return ("missing", "", "", ""), False, float(said.missing[0]), float(said.missing[1]), 0, parts.nats
    if said.new is not None and new:
        return ("name", "", new[0].piece.name.decode(errors="replace"), ""), False, 0.0, requests, 0, parts.nats
    return ("names", "", "", ""), False, 0.0, requests, 0, parts.nats


def _of_item(item: Item, parts: list[float], syntax_json: str) -> Reason:
    feature, known = item.terms.feature(), item.levels.known[0]
    word = _word(item.terms.worst) if feature == "chars" else _family(item, syntax_json) if feature == "syntax" else ""
    told = (feature, item.piece.place, item.piece.name.decode(errors="replace"), word)
    seen = _seen(known, item, feature) if known else 0
    return told, item.terms.lacks, float(seen), float(known.n if known else 0), _shortest(item.value[0]), parts


def _seen(known: Parameter, item: Item, feature: str) -> int:
    length, _, _, syntax, _ = item.value
    if feature == "shape":
        return known.shapes.singles
    if feature == "chars":
        return known.n - known.classes[item.terms.worst] if item.terms.lacks else known.classes[item.terms.worst]
    if feature == "length":
        return min(sum(known.length[length:]), sum(known.length[: length + 1]))
    return sum(known.syntax[syntax:])


def _family(item: Item, syntax_json: str) -> str:
    return str(json.loads(syntax_json)["families"][item.value[4]])


def _word(at: int) -> str:
    return str(_WORDS.get(CLASSES[at], CLASSES[at]))


def _shortest(bucket: int) -> int:
    """The shortest text of a bucket."""
    return bucket if bucket <= 16 else int(16 * 2 ** ((bucket - 17) / 2)) + 1
