"""Which kernels share a table, and how many bytes each table may take."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from apisec_otel.plan.draft import Draft
from apisec_otel.plan.kernel import Kernel, entry_bytes
from apisec_otel.plan.kernels import KERNELS, baseline
from apisec_otel.plan.kernels.conduct import USUAL
from apisec_otel.plan.node import Graph, Node, PlanError, Setting

LEAST_KEYS = 16
"""A table that cannot hold so many keys at their largest would forget an attacker while it watches him."""

_MIB = 1 << 20
_PENDING = Kernel(
    name="pending",
    family="baseline",
    operands=(),
    cells=baseline.PENDING_CELLS,
    expiry=lambda settings: 2 * int(settings["window"]),
)


@dataclass(slots=True)
class Table:
    """All kernels with one key: its node, and what lies in an entry."""

    key: int
    kernels: dict[tuple[object, ...], tuple[Kernel, Mapping[str, Setting]]] = field(default_factory=dict)
    bytes: int = 0

    def entry(self) -> int:
        """The most bytes that one key may take."""
        return entry_bytes(list(self.kernels.values()))

    def expiry(self) -> int:
        """After how many ns without a counted row a key is forgotten."""
        return max(kernel.expiry(settings) for kernel, settings in self.kernels.values())

    def identity(self, graph: Graph) -> str:
        """What the table is by, the same in every plan that has it."""
        return hashlib.blake2b(b"table" + graph.identity(self.key), digest_size=16).hexdigest()


@dataclass(slots=True)
class Places:
    """The tables, and for each kernel node the index of its table and (baselines) of the table of open windows."""

    tables: list[Table]
    of: dict[int, int]
    pending: dict[int, int]


def tables(graph: Graph, kernels: Iterable[int], drafts: Iterable[Draft], *, memory: int) -> Places:
    """Shares tables by key and divides `memory` bytes evenly over them. Refuses a detector that needs more than its share."""
    found: dict[int, Table] = {}
    of: dict[int, int] = {}
    pending: dict[int, int] = {}
    for position in sorted(kernels):
        node, kernel = graph[position], KERNELS[graph[position].op]
        of[position] = _place(found, node.args[kernel.at("by")], kernel, node)
        if kernel.family == "baseline":
            key = graph.key([node.args[kernel.at("by")], node.args[kernel.at("taught_by")]])
            pending[position] = _place(found, key, _PENDING, node)
        elif kernel.family == "conduct":
            pending[position] = _place(found, node.args[kernel.at("endpoint")], USUAL, node)
    listed = list(found.values())
    for table in listed:
        table.bytes = memory // len(listed)
    _check_room(graph, listed, of | {}, pending, drafts, memory)
    return Places(listed, of, pending)


def identity(graph: Graph, position: int) -> str:
    """What the state of a kernel node computes, the same in every plan that has it. Questions to one baseline share it."""
    node = graph[position]
    family = KERNELS[node.op].family
    if family not in ("baseline", "conduct"):
        return graph.identity(position).hex()
    window = f" {node.setting('window')}" if family == "baseline" else ""
    digest = hashlib.blake2b(f"{family} {node.version}{window}".encode(), digest_size=16)
    for arg in node.args:
        digest.update(graph.identity(arg))
    return digest.hexdigest()


def _place(found: dict[int, Table], key: int, kernel: Kernel, node: Node) -> int:
    """The index of the key's table, with the kernel in it. Baselines over the same operands and window are one histogram."""
    role: tuple[object, ...] = (node,)
    if kernel.family == "baseline":
        role = ("pending" if kernel is _PENDING else "baseline", node.args, node.setting("window"))
    elif kernel.family == "conduct":
        role = (kernel.name, node.args)
    found.setdefault(key, Table(key)).kernels[role] = (kernel, dict(node.settings))
    return list(found).index(key)


def _check_room(
    graph: Graph, listed: list[Table], of: dict[int, int], pending: dict[int, int], drafts: Iterable[Draft], memory: int
) -> None:
    for draft in drafts:
        below = {position for output in draft.outputs() for position in graph.below(output)}
        mine = {index for place in (of, pending) for position, index in place.items() if position in below}
        for index in sorted(mine):
            _check_table(graph, draft, listed[index], memory, len(listed))


def _check_table(graph: Graph, draft: Draft, table: Table, memory: int, count: int) -> None:
    needed = LEAST_KEYS * table.entry()
    if needed > table.bytes:
        raise PlanError(
            f"{draft.chosen.id}: its table by {graph.text(table.key)} needs {needed / _MIB:.1f} MiB ({LEAST_KEYS} keys at their largest), "
            f"but {memory / _MIB:g} MiB over {count} tables leave {table.bytes / _MIB:.1f} MiB. "
            "Raise detect::max_bytes, lower `limit` of distinct, or switch a detector off."
        )
