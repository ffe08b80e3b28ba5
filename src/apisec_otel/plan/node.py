"""Nodes of a plan and the graph that holds each of them once."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["number", "logic", "id"]
Setting = float | int | str

NAMES: dict[Kind, str] = {"number": "a number", "logic": "a condition", "id": "an id"}
INFIX = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "and": "&", "or": "|",
    "greater": ">", "greater_equal": ">=", "less": "<", "less_equal": "<=",
    "equal": "==", "not_equal": "!=", "same": "==", "different": "!=",
}  # fmt: skip
PREFIX = {"negate": "-", "not": "~"}
_IN_FULL = {"maximum", "minimum", "when"}


class PlanError(ValueError):
    """A plan that cannot be: says what, where, and what to write instead. Raised at start only."""


@dataclass(frozen=True, slots=True)
class Node:
    """One operation. `args` are positions in the graph, so comparing two nodes never walks down."""

    op: str
    args: tuple[int, ...]
    settings: tuple[tuple[str, Setting], ...]
    kind: Kind
    version: int = 1

    def setting(self, name: str) -> Setting:
        """The value of a setting; KeyError when the node has none of that name."""
        return dict(self.settings)[name]


class Graph:
    """Nodes in the order of their making, operands first; equal nodes are one."""

    def __init__(self, meanings: Mapping[str, str] | None = None, custom: Mapping[str, str] | None = None) -> None:
        """`meanings` says of a column what its values depend on, by name; `custom` has the kinds of configured columns."""
        self._meanings = meanings or {}
        self.custom = dict(sorted((custom or {}).items()))
        self.functions: list[Hashable] = []
        """What Python does in the plan, each once; a node names it by its position."""
        self._nodes: list[Node] = []
        self._positions: dict[Node, int] = {}
        self._identities: list[bytes] = []

    def __len__(self) -> int:
        return len(self._nodes)

    def __getitem__(self, position: int) -> Node:
        return self._nodes[position]

    def add(self, op: str, args: tuple[int, ...] = (), *, kind: Kind, version: int = 1, **settings: Setting) -> int:
        """The position of this node, made now unless an equal one exists."""
        node = Node(op, args, tuple(sorted(settings.items())), kind, version)
        found = self._positions.get(node)
        if found is not None:
            return found
        self._nodes.append(node)
        self._identities.append(self._identity_of(node))
        self._positions[node] = len(self._nodes) - 1
        return len(self._nodes) - 1

    def constant(self, value: float) -> int:
        """The node of a number that is the same in every row."""
        return self.add("constant", kind="number", value=float(value))

    def always(self) -> int:
        """The condition that holds in every row."""
        return self.add("column", kind="logic", name="always")

    def function(self, function: Hashable) -> int:
        """The position of a function, noted now unless it is known."""
        if function not in self.functions:
            self.functions.append(function)
        return self.functions.index(function)

    def key(self, parts: list[int]) -> int:
        """One id made of several. (a, b) and (b, a) are the same key and so share one table."""
        ordered = sorted({leaf for part in parts for leaf in self._leaves(part)}, key=self.identity)
        position = ordered[0]
        for part in ordered[1:]:
            position = self.add("mix", (position, part), kind="id")
        return position

    def identity(self, position: int) -> bytes:
        """16 bytes that depend on what the node computes and on nothing else, the order of building included."""
        return self._identities[position]

    def below(self, position: int) -> set[int]:
        """The node and everything it is made of."""
        found: set[int] = set()
        waiting = [position]
        while waiting:
            here = waiting.pop()
            if here not in found:
                found.add(here)
                waiting.extend(self._nodes[here].args)
        return found

    def text(self, position: int, *, row: str = "") -> str:
        """The node as a person would write it; `row` stands before a column that is named alone."""
        node = self._nodes[position]
        if node.op == "column":
            return f"{row}{node.setting('name')}"
        if node.op == "constant":
            return f"{node.setting('value'):g}"
        args = [self.text(arg) for arg in node.args]
        if node.op in INFIX:
            return f"({args[0]} {INFIX[node.op]} {args[1]})"
        if node.op in PREFIX:
            return f"{PREFIX[node.op]}{args[0]}"
        if node.op == "mix":
            return f"({', '.join(self.text(leaf) for leaf in self._leaves(position))})"
        return f"{node.op}({', '.join(args) if node.op in _IN_FULL else args[0]})"

    def _leaves(self, position: int) -> list[int]:
        node = self._nodes[position]
        return [leaf for arg in node.args for leaf in self._leaves(arg)] if node.op == "mix" else [position]

    def _identity_of(self, node: Node) -> bytes:
        settings = tuple(setting for setting in node.settings if setting[0] != "function")
        digest = hashlib.blake2b(repr((node.op, node.version, node.kind, settings)).encode(), digest_size=16)
        if node.op == "column":
            digest.update(self._meanings.get(str(node.setting("name")), "").encode())
        for arg in node.args:
            digest.update(self._identities[arg])
        return digest.digest()
