"""`${env:NAME:-default}`, `${NAME}`, `${file:path}`, `${yaml:text}` and `$$`, as in the Collector."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from apisec_otel.config.node import Node, parse
from apisec_otel.errors import ConfigError, Problem

DEEPEST = 100
"""Expansions within expansions; the Collector's own limit."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(slots=True)
class Expander:
    """Replaces what stands in `${}` by what it names."""

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    notes: list[str] = field(default_factory=list)
    """What was missing and became empty."""

    def expand(self, node: Node, depth: int = 0) -> Node:
        """Expands all texts below a node; raises ConfigError with the place of the first that cannot be."""
        if isinstance(node.value, dict):
            return replace(node, value={key: self.expand(value, depth) for key, value in node.value.items()})
        if isinstance(node.value, list):
            return replace(node, value=[self.expand(item, depth) for item in node.value])
        if isinstance(node.value, str) and "$" in node.value:
            return self._scalar(node, depth)
        return node

    def _scalar(self, node: Node, depth: int) -> Node:
        text = str(node.value)
        if depth > DEEPEST:
            raise self._problem(node, "expands into itself")
        whole = text.startswith("${") and _closing(text, 0) == len(text) - 1
        if whole:
            found = self._named(node, text[2:-1], depth)
            value = parse(found, node.place.source, max(node.place.line - 1, 0)) if found else replace(node, value=None)
            value = replace(value, text=found, place=node.place)
            return self.expand(value, depth + 1) if "${" in found else value
        joined = self._text(node, text, depth)
        return replace(node, value=joined, text=joined)

    def _text(self, node: Node, text: str, depth: int) -> str:
        parts, at = [], 0
        while (dollar := text.find("$", at)) >= 0:
            parts.append(text[at:dollar])
            if text.startswith("$$", dollar):
                parts.append("$")
                at = dollar + 2
            elif text.startswith("${", dollar):
                end = _closing(text, dollar)
                if end < 0:
                    raise self._problem(node, f"`${{` without its `}}` in {text!r}; write `$$` for a dollar sign")
                parts.append(self._named(node, text[dollar + 2 : end], depth))
                at = end + 1
            else:
                parts.append("$")
                at = dollar + 1
        return "".join(parts) + text[at:]

    def _named(self, node: Node, inside: str, depth: int) -> str:
        if depth > DEEPEST:
            raise self._problem(node, "expands into itself")
        scheme, colon, rest = inside.partition(":")
        providers: dict[str, Callable[[Node, str, int], str]] = {"env": self._env, "file": self._file, "yaml": self._yaml}
        if colon and scheme in providers:
            return providers[scheme](node, rest, depth)
        if colon and not rest.startswith("-"):
            raise self._problem(node, f"${{{inside}}}: the schemes are env, file and yaml")
        return self._env(node, inside, depth)

    def _env(self, node: Node, inside: str, depth: int) -> str:
        name, has_default, default = inside.partition(":-")
        name = self._text(node, name, depth + 1)
        if not _NAME.match(name):
            raise self._problem(node, f"${{env:{inside}}}: {name!r} is no name of an environment variable")
        if name in self.environment:
            return self.environment[name]
        if not has_default:
            self.notes.append(f"{node.place}: the environment variable {name} is not set, so it is empty")
        return self._text(node, default, depth + 1)

    def _file(self, node: Node, inside: str, depth: int) -> str:
        path = Path(self._text(node, inside, depth + 1))
        try:
            return path.read_text(encoding="utf-8").rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise self._problem(node, f"${{file:{path}}} cannot be read: {error}") from error

    def _yaml(self, node: Node, inside: str, depth: int) -> str:
        return self._text(node, inside, depth + 1)

    @staticmethod
    def _problem(node: Node, what: str) -> ConfigError:
        return ConfigError([Problem("", what, str(node.place))])


def _closing(text: str, start: int) -> int:
    """Where the `${` at `start` is closed; -1 when it is not."""
    depth, at = 0, start
    while at < len(text):
        if text.startswith("$$", at):
            at += 2
            continue
        if text.startswith("${", at):
            depth += 1
            at += 2
            continue
        if text[at] == "}":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    return -1
