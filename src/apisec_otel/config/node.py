"""YAML as a tree that remembers where each value was written.

Scalars follow YAML 1.2, as the Collector's parser does: `off` and `no` are words, `1e-4` is a number.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import yaml

from apisec_otel.errors import ConfigError, Problem

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was written."""

    source: str
    """A file's name, or the `--set` argument."""
    line: int = 0
    """From 1; 0 when lines say nothing."""

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True, slots=True)
class Node:
    """A scalar, a list or a map of nodes."""

    value: "Scalar | list[Node] | dict[str, Node]"
    place: Place
    text: str = ""
    """Of a scalar: as it was written, for settings that are texts (`007`)."""
    keys: dict[str, Place] = field(default_factory=dict)
    """Of a map: where each key was written."""

    @property
    def map(self) -> "dict[str, Node]":
        """The entries; empty when this is no map."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> "list[Node]":
        """The items; empty when this is no list."""
        return self.value if isinstance(self.value, list) else []

    def key_place(self, key: str) -> Place:
        """Where a key was written; the map's own place when it was not."""
        return self.keys.get(key, self.place)


NULL = Node(None, Place(""))


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+0123456789.")),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), _first)


def parse(text: str, source: str, line: int = 0) -> Node:
    """Reads one YAML document; `line` is added to each line (0: lines from 1).

    Raises ConfigError with the line when it is no YAML, or has a key twice.
    """
    try:
        root = _compose(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(source, (mark.line + 1 if mark else 0) + line)
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError([Problem("", f"this is not YAML: {what}", str(place))]) from error
    except yaml.YAMLError as error:
        raise ConfigError([Problem("", f"this is not YAML: {error}", source)]) from error
    return _convert(root, source, line) if root else Node(None, Place(source, 1))


def _compose(text: str) -> yaml.Node | None:
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _convert(node: yaml.Node, source: str, line: int) -> Node:
    place = Place(source, node.start_mark.line + 1 + line)
    if isinstance(node, yaml.MappingNode):
        return _map(node, place)
    if isinstance(node, yaml.SequenceNode):
        return Node([_convert(item, source, line) for item in node.value], place)
    return Node(_scalar(node.tag.rpartition(":")[2], node.value), place, node.value)


def _map(node: yaml.MappingNode, place: Place) -> Node:
    line = place.line - node.start_mark.line - 1
    entries: dict[str, Node] = {}
    keys: dict[str, Place] = {}
    merged: list[Node] = []
    for key_node, value_node in node.value:
        key, at = key_node.value, Place(place.source, key_node.start_mark.line + 1 + line)
        if not isinstance(key_node, yaml.ScalarNode):
            raise ConfigError([Problem("", "a key must be a plain word", str(at))])
        value = _convert(value_node, place.source, line)
        if key_node.tag.endswith(":merge"):
            merged += value.items or [value]
        elif key in entries:
            raise ConfigError([Problem("", f"the key {key!r} is here twice; the first is in line {keys[key].line}", str(at))])
        else:
            entries[key], keys[key] = value, at
    for other in merged:
        entries = {**other.map, **entries}
        keys = {**other.keys, **keys}
    return Node(entries, place, keys=keys)


def _scalar(tag: str, text: str) -> Scalar:
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() == "true"
    if tag == "int":
        sign, digits = (-1 if text.startswith("-") else 1), text.lstrip("+-")
        return sign * (int(digits, 0) if digits[:2] in ("0o", "0x") else int(digits))
    if tag == "float":
        return float(text.replace(".inf", "inf").replace(".Inf", "inf").replace(".INF", "inf").replace(".nan", "nan").lower().lstrip())
    return text


def merge(below: Node, above: Node) -> Node:
    """Lays one tree over another: maps are merged, everything else is replaced."""
    if not isinstance(below.value, dict) or not isinstance(above.value, dict):
        return above
    entries = dict(below.value)
    for key, value in above.value.items():
        entries[key] = merge(entries[key], value) if key in entries else value
    return replace(below, value=entries, keys={**below.keys, **above.keys})


def setting(argument: str) -> Node:
    """The tree that `--set a::b=c` stands for; `c` is YAML.

    Raises ConfigError when there is no `=` or no key.
    """
    path, equals, text = argument.partition("=")
    names = path.split("::")
    source = f"--set {path}"
    if not equals or not all(names):
        raise ConfigError([Problem("", "write --set KEY::KEY=VALUE, with :: between keys", source)])
    node = _moved(parse(text, source), source)
    for name in reversed(names):
        node = Node({name: node}, Place(source), keys={name: Place(source)})
    return node


def _moved(node: Node, source: str) -> Node:
    place = Place(source)
    if isinstance(node.value, dict):
        entries = {key: _moved(value, source) for key, value in node.value.items()}
        return Node(entries, place, keys=dict.fromkeys(entries, place))
    if isinstance(node.value, list):
        return Node([_moved(item, source) for item in node.value], place)
    return replace(node, place=place)


def walk(node: Node, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Node]]:
    """Each node with its path, from the top down."""
    yield path, node
    for key, value in node.map.items():
        yield from walk(value, (*path, key))
    for index, item in enumerate(node.items):
        yield from walk(item, (*path, str(index)))


def below(node: Node, path: Sequence[str]) -> Node:
    """The node that a path leads to, or the last one before it that was written; at the line of its key."""
    for key in path:
        if key in node.map:
            node = replace(node.map[key], place=node.key_place(key))
        elif key.isdigit() and int(key) < len(node.items):
            node = node.items[int(key)]
        else:
            break
    return node
