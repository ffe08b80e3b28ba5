"""From a tree to settings: every key checked, every problem with its place and what is allowed instead."""

import keyword
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from datetime import timedelta
from functools import cache
from typing import Annotated, Any, get_args, get_origin

from pydantic import SecretStr, TypeAdapter, ValidationError

from apisec_otel.builtin import MADE, known, load, load_made
from apisec_otel.component import Chosen, Family, Nested, OneOrMore, declared, spelled
from apisec_otel.config.duration import parse_duration
from apisec_otel.config.node import Node
from apisec_otel.errors import ComponentError, Problem, suggest


def type_hints(cls: Any) -> dict[str, Any]:
    """A class's annotations with strings resolved."""
    return typing.get_type_hints(cls, include_extras=True)


@dataclass(slots=True)
class Reader:
    """Builds settings from nodes and collects what is wrong, so that all of it is told at once."""

    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def read(self, cls: type, node: Node, path: Sequence[str]) -> Any:
        """An instance of a settings dataclass, or None when there were problems."""
        before = len(self.problems)
        plain = self._dataclass(cls, node, tuple(path))
        if len(self.problems) > before:
            return None
        try:
            return _adapter(cls).validate_python(plain)
        except ValidationError as error:
            self._report(cls, error, node, tuple(path))
            return None

    def problem(self, node: Node, path: Sequence[str], what: str) -> None:
        """Notes what is wrong at a node."""
        self.problems.append(Problem("::".join(path), what, str(node.place)))

    def _dataclass(self, cls: type, node: Node, path: tuple[str, ...]) -> dict[str, Any]:
        """The map that pydantic turns into `cls`; keys checked on the way."""
        if node.value is not None and not isinstance(node.value, dict):
            self.problem(node, path, f"expects keys and values: {suggest('', _keys(cls))}")
            return {}
        plain = {}
        for key, value in node.map.items():
            if key in declared(cls).refused:
                self._refused(declared(cls).refused[key], node, key, path)
            elif key not in _keys(cls):
                place = str(node.key_place(key))
                self.problems.append(Problem("::".join((*path, key)), f"unknown key; {suggest(key, _keys(cls))}", place))
            elif value.value is not None or _takes_null(_keys(cls)[key]):
                plain[key] = self._value(_keys(cls)[key], value, (*path, key))
        for key, hint in _keys(cls).items():
            if key not in plain and (nested := _bare(hint)[1]):
                plain[key] = self._nested(nested, Node(None, node.place), (*path, key))
        return {_field(key): value for key, value in plain.items()}

    def _refused(self, why: str, node: Node, key: str, path: tuple[str, ...]) -> None:
        switch = node.map[key].map.get("enabled")
        if switch is None or switch.value is not False:
            self.problems.append(Problem("::".join((*path, key)), why, str(node.key_place(key))))

    def _value(self, hint: Any, node: Node, path: tuple[str, ...]) -> Any:
        """A node as plain data for pydantic, led by the type that is wanted."""
        if _may_stand_alone(hint) and not isinstance(node.value, (list, dict)):
            node = Node([node], node.place)
        hint, nested = _bare(hint)
        if nested:
            return self._nested(nested, node, path)
        hint = _written(hint, node)
        if is_dataclass(hint) and isinstance(hint, type):
            return self._dataclass(hint, node, path)
        if isinstance(node.value, dict):
            inner = get_args(hint)[1] if get_origin(hint) in (dict, Mapping) else Any
            return {key: self._value(inner, value, (*path, key)) for key, value in node.map.items()}
        if isinstance(node.value, list):
            inner = get_args(hint)[0] if get_args(hint) and get_origin(hint) in (list, tuple, set, frozenset, Sequence) else Any
            return [self._value(inner, item, (*path, str(index))) for index, item in enumerate(node.items)]
        return self._scalar(hint, node, path)

    def _scalar(self, hint: Any, node: Node, path: tuple[str, ...]) -> Any:
        if hint in (str, SecretStr) and node.value is not None:
            return node.text or str(node.value)
        if hint is timedelta and node.value is not None:
            try:
                return parse_duration(node.text or node.value)
            except ValueError as error:
                self.problem(node, path, f"{error}; got {node.text!r}")
                return timedelta()
        return node.value

    def _nested(self, nested: Nested, node: Node, path: tuple[str, ...]) -> dict[str, Chosen]:
        """Every installed component of the family, whether it is named or not, and those that are made here."""
        installed = known(nested.family)
        chosen = {}
        for id in [*installed, *(id for id in node.map if id not in installed)]:
            value = node.map.get(id, Node(None, node.place))
            try:
                cls = load(nested.family, id) if id in installed else _made(nested.family, id, value)
                chosen[id] = self._beside(cls, nested.beside, value, (*path, id))
            except ComponentError as error:
                self.problems.append(Problem("::".join((*path, id)), str(error), str(node.key_place(id))))
        return chosen

    def _beside(self, cls: type, beside: type, node: Node, path: tuple[str, ...]) -> Chosen:
        """Splits one map into a component's own keys and the engine's; a wrong key is told both lists."""
        known_keys = {**_keys(cls), **_keys(beside)}
        for key in [key for key in node.map if key not in known_keys]:
            self.problems.append(Problem("::".join((*path, key)), f"unknown key; {suggest(key, known_keys)}", str(node.key_place(key))))
        return Chosen(settings=self.read(cls, _only(node, _keys(cls)), path), beside=self.read(beside, _only(node, _keys(beside)), path))

    def _report(self, cls: type, error: ValidationError, node: Node, path: tuple[str, ...]) -> None:
        for details in error.errors(include_url=False, include_context=False):
            at, here, hint = _follow(cls, node, details["loc"])
            sentence = details["msg"].removeprefix("Value error, ")
            sentence = sentence[:1].lower() + sentence[1:]
            if at is not node and at.text and hint is not SecretStr:
                sentence += f"; got {at.text!r}"
            self.problem(at, (*path, *here), sentence)


def _made(family: Family, id: str, node: Node) -> type:
    """The class of what a node makes under an id that no package has; ComponentError where it makes nothing."""
    key = next((key for key in MADE.get(family, {}) if key in node.map), None)
    if key is None:
        others = "".join(f"; one of your own has the key {key}" for key in MADE.get(family, {}))
        raise ComponentError(f"unknown; {suggest(id, known(family))}{others}")
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", id):
        raise ComponentError("an id of your own is a small letter and then up to 62 small letters, digits or _")
    return load_made(family, key)


def _follow(cls: type, node: Node, loc: Sequence[int | str]) -> tuple[Node, list[str], Any]:
    """The node that pydantic's `loc` means, its path below `node`, and its type; the nearest one that was written."""
    hint: Any = cls
    here: list[str] = []
    for step in (spelled(step) if isinstance(step, str) else step for step in loc):
        if _is_either(hint) and step not in node.map:
            hint = _written(_bare(hint)[0], node)  # pydantic names the one that it took
            continue
        hint = _inside(hint, str(step))
        if isinstance(step, str) and (step in node.map or hint is not None):
            here.append(step)
            node = node.map.get(step, node)
        elif isinstance(step, int) and step < len(node.items):
            here.append(str(step))
            node = node.items[step]
    return node, here, hint


def _inside(hint: Any, step: str) -> Any:
    hint, _ = _bare(hint)
    if isinstance(hint, type) and is_dataclass(hint):
        return _bare(_keys(hint)[step])[0] if step in _keys(hint) else None
    arguments = get_args(hint)
    return _bare(arguments[-1 if get_origin(hint) in (dict, Mapping) else 0])[0] if arguments else None


def _field(key: str) -> str:
    return f"{key}_" if keyword.iskeyword(key) else key


@cache
def _keys(cls: type) -> dict[str, Any]:
    """The settings of a dataclass and their types; ClassVars are none."""
    hints = type_hints(cls)
    return {spelled(each.name): hints[each.name] for each in fields(cls) if each.init}


def _bare(hint: Any) -> tuple[Any, Nested | None]:
    """A type without `Annotated` and `| None`; and the mark for components in it."""
    nested = None
    while get_origin(hint) is Annotated:
        nested = next((mark for mark in hint.__metadata__ if isinstance(mark, Nested)), nested)
        hint = get_args(hint)[0]
    if get_origin(hint) in (typing.Union, types.UnionType):
        some = [each for each in get_args(hint) if each is not type(None)]
        if len(some) == 1:
            return _bare(some[0])
    return hint, nested


def _written(hint: Any, node: Node) -> Any:
    """Of a text or a map of keys: the one that is written."""
    if _is_either(hint):
        maps = [bare for each in get_args(hint) if is_dataclass(bare := _bare(each)[0])]
        return maps[0] if maps and isinstance(node.value, dict) else hint
    return hint


def _is_either(hint: Any) -> bool:
    return get_origin(_bare(hint)[0]) in (typing.Union, types.UnionType)


def _takes_null(hint: Any) -> bool:
    """Whether an empty value means something other than the default: a map of its own keys that are all defaults.

    A text that must not be empty is told so, and not taken for one that was left out.
    """
    bare, _ = _bare(hint)
    return (isinstance(bare, type) and is_dataclass(bare)) or _may_stand_alone(hint)


def _may_stand_alone(hint: Any) -> bool:
    if get_origin(hint) is Annotated:
        return any(isinstance(mark, OneOrMore) for mark in hint.__metadata__)
    return get_origin(hint) in (typing.Union, types.UnionType) and any(map(_may_stand_alone, get_args(hint)))


def _only(node: Node, keys: Mapping[str, Any]) -> Node:
    return Node({key: value for key, value in node.map.items() if key in keys}, node.place, keys=node.keys)


@cache
def _adapter(cls: type) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def default_of(cls: type, name: str) -> Any:
    """The default of one setting; raises KeyError when it has none."""
    each = {each.name: each for each in fields(cls)}[name]
    if each.default is not MISSING:
        return each.default
    factory: Callable[[], Any] | Any = each.default_factory
    if factory is MISSING:
        raise KeyError(name)
    return factory()
