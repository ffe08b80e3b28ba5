"""What a kernel declares (operands, bounds, bytes, order), and how a question to one becomes a node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from apisec_otel.plan.column import Column, Id, Logic, Number, described, number, one_graph_of
from apisec_otel.plan.node import NAMES, Graph, Kind, PlanError, Setting
from apisec_otel.plan.words import spell

NANO = 1_000_000_000
DAY = timedelta(hours=24)
Key = Id | tuple[Id, ...]

_ENTRY_BYTES = 64
_CELL_BYTES = 8
_WITHIN = (timedelta(seconds=1), DAY)


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """One way to remember. `cells` and `spill` count 8-byte words a key; `spill` is the most that the settings allow."""

    name: str
    family: Literal["tally", "baseline", "model", "conduct"]
    operands: tuple[tuple[str, Kind], ...]
    cells: int
    spill: Callable[[Mapping[str, Setting]], int] = lambda settings: 0
    expiry: Callable[[Mapping[str, Setting]], int]
    leading: str = ""
    """What operands are called of which any number stands before the others."""
    emitted: Callable[[Mapping[str, Setting], int], Mapping[str, object]] = lambda settings, leading: settings
    """The settings as an executor gets them, of so many leading operands."""
    outside: bool = False
    """Whether Python answers; it keeps what it remembers itself."""
    own: str = ""
    """The operand whose value in the asking row the answer depends on, also where the row is not counted."""
    of_row: bool = False
    """Whether it reads the row itself, the same columns whatever is asked: a question is told by its settings alone."""
    spared: frozenset[str] = frozenset()
    """Operands that a row may lack and be counted all the same."""
    ordered: bool = False
    """Whether it needs rows in the order of their time."""
    answer: Kind = "number"
    version: int = 1

    def at(self, operand: str) -> int:
        """The position of an operand in a node's args, from their end."""
        return [name for name, _ in self.operands].index(operand) - len(self.operands)

    def named(self, args: Sequence[int]) -> list[tuple[str, int]]:
        """A node's args with what they are called."""
        leading = len(args) - len(self.operands)
        return list(zip([*[self.leading] * leading, *(name for name, _ in self.operands)], args, strict=True))

    def largest(self, settings: Mapping[str, Setting]) -> int:
        """The most bytes that one key may take, the entry itself not counted."""
        return _CELL_BYTES * (self.cells + self.spill(settings))


class Memory:
    """What `state` is: the graph that questions are written into, and whether its rows come in time order."""

    def __init__(self, graph: Graph, *, rows: str = "Request", in_order: bool = False) -> None:
        self.graph, self.rows, self.in_order = graph, rows, in_order


def ask(memory: Memory, kernel: Kernel, operands: Mapping[str, object], **settings: Setting) -> Number:
    """The answer of a kernel as a number. Refuses operands of a wrong kind, and order-sensitive kernels on rows without order."""
    return Number(memory.graph, asked(memory, kernel, operands, **settings))


def asked(memory: Memory, kernel: Kernel, operands: Mapping[str, object], **settings: Setting) -> int:
    """As `ask`, as a position: of the kind that the kernel answers."""
    return asked_of(memory, kernel, (), operands, **settings)


def asked_of(memory: Memory, kernel: Kernel, leading: Sequence[int], operands: Mapping[str, object], **settings: Setting) -> int:
    """As `asked`, with operands of the kernel's own before those that are declared."""
    in_order(memory, kernel)
    args = (*leading, *(_operand(memory.graph, kernel, name, kind, operands[name]) for name, kind in kernel.operands))
    return memory.graph.add(kernel.name, args, kind=kernel.answer, version=kernel.version, **settings)


def in_order(memory: Memory, kernel: Kernel) -> None:
    """Refuses rows without order where the kernel needs it."""
    if kernel.ordered and not memory.in_order:
        name = kernel.name.removesuffix("_id")
        rows = "an Item" if memory.rows == "Item" else f"a {memory.rows}"
        raise PlanError(f"{name} needs rows in time order, but `row` is {rows} (as it arrives). Annotate it `row: Step`.")


def nanoseconds(kernel: str, name: str, value: timedelta, *, note: str = "", bounds: tuple[timedelta, timedelta] = _WITHIN) -> int:
    """The duration in ns; refuses one out of bounds."""
    least, most = bounds
    if not isinstance(value, timedelta):
        raise PlanError(f"{kernel}: `{name}` is a timedelta; {described(value)}.")
    if not least <= value <= most:
        bound = f"at most {spell(most)}" if value > most else f"at least {spell(least)}"
        raise PlanError(f"{kernel}: `{name}` is {spell(value)}; {bound}{f' ({note})' if note else ''}.")
    return value // timedelta(microseconds=1) * 1_000


def bounded(kernel: str, name: str, value: float, least: float, most: float) -> float:
    """The plain number itself; refuses a column, and a number that is not strictly between the bounds."""
    if isinstance(value, Column) or not least < value < most:
        raise PlanError(f"{kernel}: `{name}` is {value!r}; a plain number between {least:g} and {most:g} is wanted.")
    return float(value)


def _operand(graph: Graph, kernel: Kernel, name: str, kind: Kind, value: object) -> int:
    if name == "where" and value is None:
        return graph.always()
    if kind == "id":
        return _key(graph, kernel, name, value)
    if kind == "number" and isinstance(value, Number):
        return number(graph, value)
    if kind == "logic" and isinstance(value, Logic):
        one_graph_of(graph, value)
        return value.position
    raise PlanError(f"{kernel.name}: `{name}` is {NAMES[kind]}; {described(value)}.")


def _key(graph: Graph, kernel: Kernel, name: str, value: object) -> int:
    parts = value if isinstance(value, tuple) else (value,)
    for part in parts:
        if not isinstance(part, Id):
            raise PlanError(f"{kernel.name}: `{name}` is an id or a tuple of ids; {described(part)}.")
        one_graph_of(graph, part)
    if not parts:
        raise PlanError(f"{kernel.name}: `{name}` is an empty tuple; an id is wanted.")
    return graph.key([part.position for part in parts])


def entry_bytes(kernels: list[tuple[Kernel, Mapping[str, Setting]]]) -> int:
    """The most bytes that one key of a table takes which these kernels share."""
    return _ENTRY_BYTES + sum(kernel.largest(settings) for kernel, settings in kernels)
