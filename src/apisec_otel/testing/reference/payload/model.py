"""The model: items of a request, how unusual each is, what that says of the request, and what the request teaches."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field

import numpy as np

from apisec_otel.testing.reference.payload.state import PRIOR, PRIORS, SYNTAX_PRIOR, Names, Node, Parameter, Scores, nats, together
from apisec_otel.testing.reference.text import Features, features

SECOND = 10**9
MASK = 2**64 - 1
ATTACK, ODD, ODD_ITEM = 8, 0.02, 1.8


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A request: ids as the product gives them, texts as they were sent."""

    stream: int
    service: int
    endpoint: int
    teacher: int
    version: int = 0
    late: bool = False
    path: bytes = b""
    query: bytes = b""
    agent: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


@dataclass(frozen=True)
class Said:
    """What is said of a request: probability, score, and what is usual."""

    p: float
    score: float
    usual: float


@dataclass
class Item:
    """One value, where it stands and how unusual it is."""

    keys: tuple[Hashable, Hashable, Hashable]
    value: Features
    syntax: float
    total: float


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
        if sent.stream // SECOND != self._second:
            for lesson in self._lessons:
                lesson()
            self._lessons, self._second = [], sent.stream // SECOND
        seen = Seen()
        path = self._walk(sent, seen)
        for place, name, text, plus, body in _items(sent):
            self._item(sent, seen, (place, name, text), plus=plus, body=body)
        names, doubled = self._names(sent, seen)
        best = max([0.0, *(item.total for item in seen.items)])
        score = together([best, path, names, doubled])
        said = self._judged(sent, seen, score)
        if not sent.late:
            self._note(sent, seen, said, path, names)
        return said

    def _walk(self, sent: Sent, seen: Seen) -> float:
        key: Hashable = (sent.service,)
        most, lost = 0.0, False
        values: list[tuple[Hashable, bytes]] = []
        for text in sent.path.removeprefix(b"/").split(b"/")[:12]:
            typed = _is_typed(text)
            child: Hashable = (key, "typed" if typed else text)
            node, count = self.nodes.get(key, Node()), self.nodes.get(child, Node()).count
            most, lost = (most if lost else max(most, nats(node.p(count)))), lost or count == 0
            if typed or count < 3:
                values.append((key, text))
            seen.steps.append((key, child))
            key = (key, "typed") if not typed and node.wide and count < 3 else child
        child = (key, None)
        node, count = self.nodes.get(key, Node()), self.nodes.get(child, Node()).count
        most = most if lost else max(most, nats(node.p(count)))
        seen.steps.append((key, child))
        for at, text in values:
            keys = (("segment", at), ("segments", sent.service), ("all segments", sent.service))
            self._add(seen, keys, text, plus=False, body=False, header=False)
        return most

    def _item(self, sent: Sent, seen: Seen, item: tuple[str, bytes, bytes], *, plus: bool, body: bool) -> None:
        place, name, text = item
        anywhere, inside = ("values", sent.service), ("in service", sent.service, name)
        if place == "header":
            return self._add(seen, (("header", sent.service, name), inside, anywhere), text, plus=plus, body=body, header=True)
        hashed = self._hash(name)
        short = hashed >> 16 & 0xFFFF
        known = self.names.get(sent.endpoint)
        if short in seen.names:
            seen.doubled = True
        else:
            seen.names.append(short)
            seen.elsewhere.append(self.parameters.get(inside, Parameter()).n > 5)
            seen.set_of = (seen.set_of + (hashed * 0x9E3779B97F4A7C15 & MASK | 1)) & MASK
        new = known is None or known.n < 20 or not known.single.rarer(short)[1]
        if new and any(not (chr(byte).isascii() and chr(byte).isalnum() or byte in b"_-.[]") for byte in name):
            keys = (("name", sent.service), ("names", sent.service), anywhere)
            self._add(seen, keys, name, plus=plus, body=body, header=False)
        self._add(seen, (("parameter", sent.endpoint, name), inside, anywhere), text, plus=plus, body=body, header=False)
        return None

    def _add(self, seen: Seen, keys: tuple[Hashable, Hashable, Hashable], text: bytes, *, plus: bool, body: bool, header: bool) -> None:
        if len(seen.items) == 64:
            return
        value = features(text, plus, body, self._syntax)
        shape, chars, length, syntax = self._terms([self.parameters.get(key) for key in keys], value)
        total = together([min(5.0, together([shape, chars, length])), syntax]) if header else together([shape, chars, length, syntax])
        seen.items.append(Item(keys, value, syntax, total))

    def _terms(self, levels: list[Parameter | None], value: Features) -> tuple[float, float, float, float]:
        length, classes, shape, score, _ = value

        def backed(prior: float, weight: float, share: Callable[[Parameter], float]) -> float:
            for level in reversed(levels):
                if level is not None:
                    prior = (share(level) + weight * prior) / (level.n + weight)
            return prior

        own = levels[0].n if levels[0] else 0
        floor = 0.2 / (own + 20.0)
        of_shape = backed(0.3, PRIOR, lambda level: level.shapes.rarer(shape)[0])
        chars = 1.0
        for at in range(56):
            there = classes >> at & 1 == 1
            usual = levels[0] is not None and own >= 20 and length > 0 and levels[0].classes[at] >= 0.9 * own
            if there or usual:
                prior = PRIORS[at] if at < len(PRIORS) else 0.001
                share = backed(prior, PRIOR, lambda level, at=at: level.classes[at])  # type: ignore[misc]
                chars = min(chars, max(share if there else 1 - share, floor))
        longer = 1.0 if length <= 16 else 0.3 if length <= 20 else 0.3 * 0.5 ** ((length - 20) * 0.7)
        longer = backed(longer, PRIOR, lambda level: sum(level.length[length:]))
        shorter = backed(0.1 if length == 0 else 1.0, PRIOR, lambda level: sum(level.length[: length + 1]))
        syntax = 0.0
        if score:
            prior = score / 2 * math.log(10)
            tail = backed(math.exp(-prior), SYNTAX_PRIOR, lambda level: sum(level.syntax[score:]))
            syntax = min(max(-math.log(max(tail, 1e-12)), prior - 5), prior + 4.6)
        return nats(max(min(1.0, of_shape), floor)), nats(2 * chars), nats(max(2 * min(longer, shorter), floor)), syntax

    def _names(self, sent: Sent, seen: Seen) -> tuple[float, float]:
        known = self.names.get(sent.endpoint, Names())

        def share(so: float, prior: float) -> float:
            return nats(min(1.0, (so + PRIOR * prior) / (known.n + PRIOR)))

        most = max(0.0, share(known.sets.rarer(seen.set_of >> 24 & 0xFFFF)[0], 0.5))
        for name, elsewhere in zip(seen.names, seen.elsewhere, strict=True):
            rarer, found = known.single.rarer(name)
            most = max(most, share(rarer, 1.0 if found else 0.8 if elsewhere else 0.2))
        if known.n >= 20:
            missing = [known.n - count for name, count in known.there.items() if count >= 0.9 * known.n and name not in seen.names]
            most = max([most, *(nats((without + PRIOR * 0.1) / (known.n + PRIOR)) for without in missing)])
        return most, share(known.doubled, 0.02) if seen.doubled else 0.0

    def _judged(self, sent: Sent, seen: Seen, score: float) -> Said:
        service, endpoint = self.scores.get(("service", sent.service), Scores()), self.scores.get(sent.endpoint, Scores())
        usual = (endpoint.n * float(endpoint.anchor) + 200 * float(service.anchor)) / (endpoint.n + 200)
        usual = max(usual, 3.0) if service.n < 50 else usual
        p = 0.05 + 0.95 * math.exp(-score) if score <= usual else 0.05 * math.exp((usual - score) / 2)
        if service.cold and p < 1e-3:
            p = 1e-3 * (p / 1e-3) ** 0.1
        if score > usual:
            p = min(p, 3 * math.exp(-max([0.0, *(item.syntax for item in seen.items)])))
        return Said(p, score, usual)

    def _note(self, sent: Sent, seen: Seen, said: Said, path: float, names: float) -> None:
        service = self.scores.setdefault(("service", sent.service), Scores())
        service.version(sent.version)
        attack = any(item.value[3] >= ATTACK for item in seen.items)
        odd = attack or said.p < ODD and not service.cold
        if not odd:
            service.tokens = min(np.float32(service.tokens + np.float32(0.005)), np.float32(10))
        admitted = odd and not attack and service.spend(sent.teacher)
        over = {name: odd and value >= said.usual + ODD_ITEM for name, value in (("path", path), ("names", names))}
        kept = [(odd and item.total >= said.usual + ODD_ITEM, item) for item in seen.items if item.value[3] < ATTACK]

        def lesson() -> None:
            if not odd or admitted:
                service.teach(said.score, odd, whole=True)
                self.scores.setdefault(sent.endpoint, Scores()).teach(said.score, odd, whole=False)
            for unusual, item in kept:
                for key in item.keys:
                    if not unusual or admitted and _admit(self.parameters.setdefault(key, Parameter())):
                        self.parameters.setdefault(key, Parameter()).teach(item.value)
            if not attack:
                self._teach_path(seen.steps, over["path"], admitted)
                known = self.names.get(sent.endpoint)
                if not (over["path"] or over["names"]) or admitted and _admit(self.names.setdefault(sent.endpoint, Names())):
                    known = self.names.setdefault(sent.endpoint, Names())
                    known.teach(seen.names, seen.set_of >> 24 & 0xFFFF, seen.doubled)

        self._lessons.append(lesson)

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


def _is_typed(text: bytes) -> bool:
    digits = sum(48 <= byte <= 57 for byte in text)
    hexadecimal = sum(byte in b"0123456789abcdefABCDEF-" for byte in text)
    other = sum(byte >= 128 or byte in b"%,|=;:@ '" for byte in text)
    whole = len(text)
    number = digits == whole or hexadecimal == whole and whole >= 8 and digits > 0
    return whole > 0 and (number or other > 0 or whole > 48 or whole > 2 and digits * 2 >= whole)


def _items(sent: Sent) -> Iterator[tuple[str, bytes, bytes, bool, bool]]:
    """Place, name and text of what was sent beside the path; whether `+` is a space, and whether it comes from a body."""
    yield from _form(sent.query.removeprefix(b"?"), body=False)
    if sent.body[:1] in (b"{", b"["):
        for name, text in _leaves(json.loads(sent.body), b""):
            yield "parameter", name, text, False, True
    elif sent.body:
        yield from _form(sent.body, body=True)
    for name, text in (*sent.headers, *([(b"user-agent", sent.agent)] if sent.agent else [])):
        yield "header", name, text, False, False


def _form(text: bytes, *, body: bool) -> Iterator[tuple[str, bytes, bytes, bool, bool]]:
    for pair in [pair for pair in text.split(b"&") if pair][:64]:
        name, equals, value = pair.partition(b"=")
        yield "parameter", *((name, value) if equals else (b"{bare}", pair)), True, body


def _leaves(value: object, name: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Leaves by the name before them; a list's by that of the list."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(each, key.encode())
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each, name)
    else:
        yield name, value.encode() if isinstance(value, str) else json.dumps(value).encode()
