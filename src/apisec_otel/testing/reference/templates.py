"""Learned templates row by row: what the native step must give, written to be read."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

TICK = 10 * 10**9
VARIABLE = "{id}"


def is_value(segment: str) -> bool:
    """Whether a segment looks like a value."""
    size = len(segment.encode())
    digits, letters = len(re.findall(r"[0-9]", segment)), len(re.findall(r"[A-Za-z]", segment))
    return bool(
        (digits and not letters)
        or (size >= 8 and digits and re.fullmatch(r"[0-9A-Fa-f-]+", segment))
        or (size >= 8 and digits >= 3)
        or ("%" in segment and digits + letters + 2 < size)
        or "@" in segment
        or re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", segment)
        or (re.fullmatch(r"[A-Za-z0-9_=+-]{10,}", segment) and digits and re.search("[a-z]", segment) and re.search("[A-Z]", segment))
        or (re.fullmatch(r"[a-z]{2,5}_[A-Za-z0-9]{8,}", segment) and not re.fullmatch(r"[^_]+_([a-z]+|[A-Z]+)", segment))
        or re.fullmatch(r"[a-z]{2}[-_][A-Z]{2}", segment)
        or (segment.startswith("eyJ") and segment.count(".") == 2)
        or _is_ipv6(segment)
    )


def _is_ipv6(segment: str) -> bool:
    try:
        ipaddress.IPv6Address(segment)
    except ValueError:
        return False
    return "%" not in segment


@dataclass
class Level:
    """What stands below a prefix."""

    hits: int = 0
    words: dict[str, Level] = field(default_factory=dict)
    variable: Level | None = None
    collapsed: bool = False

    def take(self, other: Level, literal: frozenset[str]) -> None:
        """Adds another level to this one."""
        self.hits += other.hits
        self.collapsed |= other.collapsed
        if other.variable is not None:
            self.below(VARIABLE).take(other.variable, literal)
        for word, level in other.words.items():
            gone = self.collapsed and word not in literal and word not in self.words
            self.below(VARIABLE if gone else word).take(level, literal)

    def below(self, word: str) -> Level:
        """The level behind a word, made when it is new."""
        if word != VARIABLE:
            return self.words.setdefault(word, Level())
        self.variable = self.variable or Level()
        return self.variable

    def collapse(self, literal: frozenset[str], least: int) -> None:
        """Rare words become one variable, here and below."""
        rare = {word for word, level in self.words.items() if word not in literal and level.hits <= max(3, self.hits // 50)}
        words = self.words.keys() - literal
        if len(words) >= least and len(rare) * 5 >= len(words) * 4:
            self.collapsed = True
            for word in rare:
                self.below(VARIABLE).take(self.words.pop(word), literal)
        for level in [*self.words.values(), *([self.variable] if self.variable else [])]:
            level.collapse(literal, 20)


@dataclass
class Templates:
    """Templates of one service without caps."""

    literal: frozenset[str]
    tree: Level = field(default_factory=Level)
    known: dict[str, set[str]] = field(default_factory=dict)
    tick: int = 0

    def row(self, method: str, path: str, *, succeeded: bool, now: int) -> str | None:
        """The template of a request, None when there is none; `now` is stream time in ns."""
        self._settle(now)
        resolved = self._resolve([segment for segment in path.split("/") if segment])
        if resolved is None:
            return None
        text = "/" + "/".join(resolved)
        if succeeded and len(resolved) <= 32:
            self.known.setdefault(text, set()).add(method)
            for level in self._walk(resolved):
                level.hits += 1
        return text if method in self.known.get(text, ()) else None

    def _walk(self, resolved: list[str]) -> Iterator[Level]:
        level = self.tree
        yield level
        for word in resolved:
            level = level.below(word)
            yield level

    def _settle(self, now: int) -> None:
        if now // TICK == self.tick:
            return
        self.tick = now // TICK
        self.tree.collapse(self.literal, 100)
        known, self.known = self.known, {}
        for text, methods in known.items():
            resolved = self._resolve([segment for segment in text.split("/") if segment])
            self.known.setdefault(text if resolved is None else "/" + "/".join(resolved), set()).update(methods)

    def _resolve(self, segments: list[str]) -> list[str] | None:
        level: Level | None = self.tree
        out = []
        for segment in segments:
            known = level.words.get(segment) if level else None
            unseen = known is None and level is not None and level.collapsed
            if segment not in self.literal and (segment == VARIABLE or is_value(segment) or unseen):
                out.append(VARIABLE)
                level = level.variable if level else None
                continue
            if known is None and level is not None and len(level.words) >= 256:
                return None
            out.append(segment)
            level = known
        return out
