"""How much a text reads as syntax, written for reading: one regular expression after the other, on decoded text in lower case.

A byte is a character of Latin-1, so that patterns can name bytes.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from typing import Any

MOST = 16
NO_FAMILY = 255
_WORD = r"[a-z0-9_\x80-\xff]"
_TOKEN = re.compile(rf"(?P<word>[a-z_\x80-\xff]{_WORD}*)|(?P<number>[0-9][a-z0-9_.\x80-\xff]*)|(?P<mark>.)", re.DOTALL)
_OPERAND = re.compile(r"[0-9'\"(\-@!+~/`]")
_ARGUMENT = re.compile(r"[0-9\-/.;|&`)>$%'\"*{]")
_HEADER = re.compile(r"[\r\n][a-z-]{3,}:")


@cache
def syntax_of(text: str) -> dict[str, Any]:
    """The syntax of a JSON text, with patterns of its literals."""
    syntax: dict[str, Any] = json.loads(text)
    for literal in syntax["literals"]:
        before = rf"(?<!{_WORD})" if literal.get("starts") else ""
        after = rf"(?!{_WORD})" if literal.get("ends") else ""
        literal["pattern"] = re.compile(before + re.escape(literal["text"]) + after)
    words = syntax["words"]
    classes = ("connective", "select", "union", "from", "into", "table", "verb", "clause")
    syntax["telling"] = {word for name in classes for word in words[name]} - set(words["common"])
    return syntax


@dataclass
class Reading:
    """One text and what was read of it; words and numbers by their number."""

    text: str
    syntax: dict[str, Any]
    points: Counter[str] = field(default_factory=Counter)
    count: int = 0
    before: str = ""
    mark_at: int = -1
    select: float = -math.inf
    union: float = -math.inf
    verb: tuple[str, int] = ("", 0)
    telling: int = 0
    connective: float = -math.inf

    def verdict(self, met: set[str], body: bool) -> tuple[int, int]:
        """The best family's points and half of the second's, and the best family."""
        for literal in self.syntax["literals"]:
            if literal["pattern"].search(self.text) and ("break" in met or not literal.get("broken")):
                self.points[literal["family"]] += literal["weight"]
        for token in _TOKEN.finditer(self.text):
            getattr(self, f"_{token.lastgroup}")(token)
        for finding in self._whole(met, body):
            self._find(finding)
        points = [self.points[family] for family in self.syntax["families"]]
        best, second = (*sorted(points, reverse=True), 0)[:2]
        return min(MOST, best + second // 2), points.index(best) if best else NO_FAMILY

    def _find(self, finding: str) -> None:
        rule = self.syntax["rules"][finding]
        self.points[rule["family"]] += rule["weight"]

    def _is(self, word: str, *names: str) -> bool:
        return any(word in self.syntax["words"][name] for name in names)

    def _number(self, token: re.Match[str]) -> None:
        self.count += 1
        self.before, self.mark_at = "0", -1

    def _word(self, token: re.Match[str]) -> None:
        word, rest = token.group(), self.text[token.end() :]
        self.count += 1
        for read in (self._connective, self._query, self._verb, self._function, self._command):
            for finding in read(word, rest, token):
                self._find(finding)
        handler = rest.lstrip(" ").startswith("=") and re.fullmatch("on[a-z]{3,22}", word)
        if handler and self.text[max(0, token.start() - 1) : token.start()] in tuple(" \"'/\t\n\r\f><"):
            self._find("handler")
        self.telling += word in self.syntax["telling"]
        self.before, self.mark_at = "", -1

    def _connective(self, word: str, rest: str, token: re.Match[str]) -> Iterator[str]:
        if not self._is(word, "connective"):
            return
        self.connective = token.end()
        operand = bool(_OPERAND.match(rest.lstrip(" ")))
        if self.before == '"':
            yield "double_quote_connective_operand" if operand and not rest.lstrip(" ").startswith('"') else "double_quote_connective"
        elif self.before in ("'", "`", ")"):
            yield ("bracket" if self.before == ")" else "quote") + "_connective" + ("_operand" if operand else "")
        elif self.before == "0" and re.match("[0-9]", rest.lstrip(" ")):
            yield "number_connective_number"

    def _query(self, word: str, rest: str, token: re.Match[str]) -> Iterator[str]:
        if self._is(word, "select"):
            self.select = self.count
            if self.count - self.union <= 2:
                yield "union_select"
            elif self.before in ("(", ";", "'"):
                yield "opened_select"
        if self._is(word, "union"):
            self.union = self.count
            if self.before in ("'", ")", '"'):
                yield "opened_union"
        if self._is(word, "from") and self.count - self.select <= 12:
            self.select = -math.inf
            yield "select_from"

    def _verb(self, word: str, rest: str, token: re.Match[str]) -> Iterator[str]:
        verb, at = self.verb
        for pair in self.syntax["pairs"]:
            if verb in pair["verbs"] and word in pair["words"] and self.count - at <= pair["within"]:
                self.points[pair["family"]] += pair["weight"]
        if self._is(word, "verb"):
            self.verb = word, self.count
            if self.before == ";":
                yield "stacked_verb"
            if self._is(word, "call") and re.match("[@(]", rest.lstrip(" ")):
                yield "call"

    def _function(self, word: str, rest: str, token: re.Match[str]) -> Iterator[str]:
        attached = rest.startswith("(")
        if not rest.lstrip(" ").startswith("("):
            return
        if self._is(word, "function_strong"):
            yield "strong_function"
        elif self._is(word, "function_plain"):
            yield "plain_function" if attached else "weak_function"
        elif self._is(word, "function_weak") or (attached and self._is(word, "function_attached")):
            yield "weak_function"

    def _command(self, word: str, rest: str, token: re.Match[str]) -> Iterator[str]:
        mark = self.text[: self.mark_at + 1]
        separated = re.search(r"[;|&`\r\n]\Z|\$\(\Z", mark) if self.mark_at >= 0 else None
        if not separated or not self._is(word, "command_strong", "command_ambiguous") or re.match(r"[=:\[]", rest):
            return
        after_ampersand = "_after_ampersand" if re.search(r"(?<![& ])&\Z", mark) else ""
        if self._is(word, "command_strong"):
            yield "strong_command" + after_ampersand
        elif _ARGUMENT.match(rest.lstrip(" ")):
            yield "command_with_argument" + after_ampersand
        elif not rest.strip(" ") and self.mark_at + 1 == token.start():
            yield "last_command" + after_ampersand
        else:
            yield "loose_command" + ("_after_ampersand" if mark.endswith("&") else "")

    def _mark(self, token: re.Match[str]) -> None:
        for finding in self._marked(token.group(), self.text[: token.start()], self.text[token.end() :]):
            self._find(finding)
        if token.group() not in " \t+":
            self.before, self.mark_at = token.group(), token.start()

    def _marked(self, mark: str, before: str, rest: str) -> Iterator[str]:
        quotes, double_quotes, ended = before.count("'"), before.count('"'), not rest
        if mark in "'\"" and re.match(r"--|/\*|#\Z", rest):
            yield "comment_after_quote"
        if mark in "=<>" and len(before) - self.connective <= 24:
            yield self._comparison(before[int(self.connective) :], rest)
            self.connective = -math.inf
        if mark == "<" and re.match(r"[a-z/!?%]", rest):
            yield "tag"
        if mark == "-" and before and re.match(r"-([ +\t\n]|\Z)", rest) and (len(rest) <= 2 or quotes or self.telling):
            yield "quoted_line_comment" if quotes or double_quotes else "line_comment"
        if mark == "#" and before and ended and (quotes or self.telling):
            yield "hash_comment"
        if mark == "/" and rest.startswith("*"):
            yield "block_comment"
        if mark == "`" and before.count("`") % 2:
            yield "backticks"

    def _comparison(self, between: str, rest: str) -> str:
        left = re.split("[ ()]", between.rstrip(" "))[-1]
        right = re.split("[ )#&-]", rest.lstrip(" ="))[0]
        bare, other = left.strip("'\""), right.strip("'\"")
        if bare and bare == other:
            return "equal_sides"
        if re.match("[0-9]", bare) and re.match("[0-9]", other):
            return "number_sides"
        return "quoted_side" if left[:1] in ("'", '"') else "any_sides"

    def _whole(self, met: set[str], body: bool) -> Iterator[str]:
        if self.telling >= 3:
            yield "many_words" if self.telling >= 5 else "several_words"
        if self.text.count("'") % 2 and not re.match(rf"[^']*(?![0-9']){_WORD}'{_WORD}", self.text):
            yield "open_quote"
        if self.text.count('"') % 2:
            yield "open_double_quote"
        run = max((len(list(same)) for _, same in groupby(self.text)), default=0)
        if run >= 24:
            yield "huge_run" if run >= 256 else "long_run" if run >= 64 else "run"
        names = {"double": "double_encoded"}
        yield from (names.get(encoding, encoding) for encoding in sorted(met - {"break"}))
        if "break" in met:
            yield "line_break_in_body" if body else "line_break"
            if _HEADER.search(self.text):
                yield "header_line"
