"""The model: items of a request, how unusual each is, what that says of the request, and what the request teaches.

What the page says and the product does otherwise, or where the page leaves a choice:

* syntax makes a score improbable only above what is usual; the page takes it at any score;
* before 300 requests of a service, and for 300 since a new version among its last four, what is below 1e-3 is drawn close to it,
  odd is only what reads as an attack, and what else comes teaches freely;
* items past the 64th have no score, and past the 256th no name; a path's tree has twelve steps;
* a header's own key is apart from a parameter's of the same name, and both share the service's key of that name;
* an odd step ends what is learned of a path, so that nothing is learned below a node that may not learn it;
* 16 bits of keyed hashes tell names, sets of names, versions and teachers apart; where a version's or a teacher's are all zero, 1
  stands in their place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import numpy as np

from apisec_otel.testing.reference.payload.items import Piece, is_odd_name, is_typed, pieces, segments
from apisec_otel.testing.reference.payload.reasons import Item, Named, Parts, Reason, reason
from apisec_otel.testing.reference.payload.state import PRIOR, Names, Node, Parameter, Scores, nats, together
from apisec_otel.testing.reference.payload.terms import Levels, terms
from apisec_otel.testing.reference.text import features

SECOND = 10**9
MASK = 2**64 - 1
ATTACK, ODD, ODD_ITEM, TOLD = 8, 0.02, 1.8, 0.05
MOST, NAMED = 64, 256

Keys = tuple[Hashable, Hashable, Hashable]


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A request: ids as the product gives them, texts as they were sent, attributes in their order."""

    stream: int
    service: int
    endpoint: int
    teacher: int
    version: int = 0
    late: bool = False
    path: bytes = b""
    query: bytes = b""
    agent: bytes = b""
    attributes: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class Said:
    """What is said of a request: probability, score, what is usual; and why, where it is unusual."""

    p: float
    score: float
    usual: float
    why: Reason | None = None


@dataclass
class Seen:
    """The request in hand."""

    items: list[Item] = field(default_factory=list)
    names: list[int] = field(default_factory=list)
    elsewhere: list[bool] = field(default_factory=list)
    set_of: int = 0
    doubled: bool = False
    steps: list[tuple[Hashable, Hashable]] = field(default_factory=list)


class Model:
    """All that is learned, without a limit; `keyed_hash` is the product's, for what is told apart by 16 bits."""

    def __init__(self, keyed_hash: Callable[[bytes], int], syntax_json: str) -> None:
        self._hash, self._syntax = keyed_hash, syntax_json
        self.parameters: dict[Hashable, Parameter] = {}
        self.nodes: dict[Hashable, Node] = {}
        self.names: dict[int, Names] = {}
        self.scores: dict[Hashable, Scores] = {}
        self._lessons: list[Callable[[], None]] = []
        self._second = 0

    def take(self, sent: Sent) -> Said:
        """Judges a request, and keeps what it teaches for the next second."""
        self._tick(sent.stream // SECOND)
        seen = Seen()
        path = self._walk(sent, seen)
        for piece in list(pieces(sent.query, sent.attributes, sent.agent))[:NAMED]:
            self._piece(sent, seen, piece)
        parts = Parts(seen.items, path, self._names(sent, seen), self.names.get(sent.endpoint, Names()).n)
        said = self._judged(sent, parts)
        if not sent.late:
            self._note(sent, seen, said, parts)
        return said

    def _tick(self, second: int) -> None:
        if second != self._second:
            for lesson in self._lessons:
                lesson()
            self._lessons, self._second = [], second

    def _walk(self, sent: Sent, seen: Seen) -> float:
        key: Hashable = (sent.service,)
        most, lost = 0.0, False
        values: list[tuple[Hashable, bytes]] = []
        steps, deeper = segments(sent.path)
        for text in steps:
            typed = is_typed(text)
            child: Hashable = (key, "typed" if typed else text)
            node, count = self.nodes.get(key, Node()), self.nodes.get(child, Node()).count
            most, lost = (most if lost else max(most, nats(node.p(count)))), lost or count == 0
            if typed or count < 3:
                values.append((key, text))
            seen.steps.append((key, child))
            key = (key, "typed") if not typed and node.wide and count < 3 else child
        end = (key, None)
        node, count = self.nodes.get(key, Node()), self.nodes.get(end, Node()).count
        seen.steps.append((key, end))
        for at, text in [*values, *([(key, deeper)] if deeper else [])]:
            keys = (("segment", at), ("segments", sent.service), ("all segments", sent.service))
            self._add(seen, keys, Piece("segment", b"", text))
        return most if lost else max(most, nats(node.p(count)))

    def _piece(self, sent: Sent, seen: Seen, piece: Piece) -> None:
        anywhere, inside = ("values", sent.service), ("in service", sent.service, piece.name)
        if piece.place == "header":
            return self._add(seen, (("header", sent.service, piece.name), inside, anywhere), piece)
        short = self._named(seen, piece.name, inside)
        known = self.names.get(sent.endpoint)
        if is_odd_name(piece.name) and (known is None or known.n < 20 or not known.single.rarer(short)[1]):
            keys = (("name", sent.service), ("names", sent.service), anywhere)
            self._add(seen, keys, Piece("name", piece.name, piece.name, piece.plus, piece.body), short)
        return self._add(seen, (("parameter", sent.endpoint, piece.name), inside, anywhere), piece, short)

    def _named(self, seen: Seen, name: bytes, inside: Hashable) -> int:
        hashed = self._hash(name)
        short = hashed >> 16 & 0xFFFF
        if short in seen.names:
            seen.doubled = True
        else:
            seen.names.append(short)
            seen.elsewhere.append(self.parameters.get(inside, Parameter()).n > 5)
            seen.set_of = (seen.set_of + (hashed * 0x9E3779B97F4A7C15 & MASK | 1)) & MASK
        return short

    def _add(self, seen: Seen, keys: Keys, piece: Piece, short: int = 0) -> None:
        if len(seen.items) < MOST:
            value = features(piece.text, piece.plus, piece.body, self._syntax)
            levels = Levels([self.parameters.get(key) for key in keys])
            found = terms(levels, value)
            seen.items.append(Item(piece, keys, levels, value, found, found.total(header=piece.place == "header"), short))

    def _names(self, sent: Sent, seen: Seen) -> Named:
        known = self.names.get(sent.endpoint, Names())

        def share(so: float, prior: float) -> float:
            return nats(min(1.0, (so + PRIOR * prior) / (known.n + PRIOR)))

        said = Named(max(0.0, share(known.sets.rarer(seen.set_of >> 24 & 0xFFFF)[0], 0.5)))
        for name, elsewhere in zip(seen.names, seen.elsewhere, strict=True):
            rarer, found = known.single.rarer(name)
            so = share(rarer, 1.0 if found else 0.8 if elsewhere else 0.2)
            if so > said.nats:
                said.nats, said.new = so, None if found else name
        said.doubled = share(known.doubled, 0.02) if seen.doubled else 0.0
        for name, there in known.there.items() if known.n >= 20 else ():
            so = share(known.n - there, 0.1)
            if there >= 0.9 * known.n and name not in seen.names and so > said.nats:
                said.nats, said.new, said.missing = so, None, (there, known.n)
        return said

    def _judged(self, sent: Sent, parts: Parts) -> Said:
        service, endpoint = self.scores.get(("service", sent.service), Scores()), self.scores.get(sent.endpoint, Scores())
        score = together(parts.nats)
        usual = (endpoint.n * float(endpoint.anchor) + 200 * float(service.anchor)) / (endpoint.n + 200)
        usual = max(usual, 3.0) if service.n < 50 else usual
        p = 0.05 + 0.95 * math.exp(-score) if score <= usual else 0.05 * math.exp((usual - score) / 2)
        if service.cold and p < 1e-3:
            p = 1e-3 * (p / 1e-3) ** 0.1
        if score > usual:
            p = min(p, 3 * math.exp(-max([0.0, *(item.terms.syntax for item in parts.items)])))
        return Said(p, score, usual, reason(parts, self._syntax) if p < TOLD else None)

    def _note(self, sent: Sent, seen: Seen, said: Said, parts: Parts) -> None:
        service = self.scores.setdefault(("service", sent.service), Scores())
        service.version(sent.version)
        attack = any(item.value[3] >= ATTACK for item in seen.items)
        odd = attack or said.p < ODD and not service.cold
        if not odd:
            service.tokens = min(np.float32(service.tokens + np.float32(0.005)), np.float32(10))
        admitted = odd and not attack and service.spend(sent.teacher)
        limit = said.usual + ODD_ITEM
        odd_path, odd_names = odd and parts.path >= limit, odd and parts.names.nats >= limit
        kept = [(odd and item.total >= limit, item) for item in seen.items if item.value[3] < ATTACK]

        def lesson() -> None:
            if not odd or admitted:
                service.teach(said.score, odd, whole=True)
                self.scores.setdefault(sent.endpoint, Scores()).teach(said.score, odd, whole=False)
            self._teach_values(kept, admitted)
            if not attack:
                self._teach_path(seen.steps, odd_path, admitted)
                self._teach_names(sent.endpoint, seen, odd_path or odd_names, admitted)

        self._lessons.append(lesson)

    def _teach_values(self, kept: list[tuple[bool, Item]], admitted: bool) -> None:
        for odd, item in kept:
            for key in item.keys:
                if not odd or admitted and _admit(self.parameters.setdefault(key, Parameter())):
                    self.parameters.setdefault(key, Parameter()).teach(item.value)

    def _teach_names(self, endpoint: int, seen: Seen, odd: bool, admitted: bool) -> None:
        if not odd or admitted and _admit(self.names.setdefault(endpoint, Names())):
            known = self.names.setdefault(endpoint, Names())
            known.teach(seen.names, seen.set_of >> 24 & 0xFFFF, seen.doubled)

    def _teach_path(self, steps: list[tuple[Hashable, Hashable]], odd: bool, admitted: bool) -> None:
        for at, child in steps:
            node, count = self.nodes.get(at, Node()), self.nodes.get(child, Node()).count
            if odd and count == 0:
                if not admitted or node.odd >= 2 + 0.002 * node.n:
                    return
                node.odd += 1
            node.visit(count)
            self.nodes[at] = node
            self.nodes.setdefault(child, Node()).count = count + 1


def _admit(known: Parameter | Names) -> bool:
    room = known.odd < 2 + 0.002 * known.n
    known.odd += room
    return room
