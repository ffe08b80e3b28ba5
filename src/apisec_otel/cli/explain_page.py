"""What a detector made of each request, as a page for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from apisec_otel.cli.judged import rfc3339
from apisec_otel.findings.text import escape
from apisec_otel.plan.explain import Explained, Told

if TYPE_CHECKING:
    from apisec_otel.cli.explaining import ExplainedRow, Explaining

COLORS: Final = {"info": "cyan", "low": "blue", "medium": "yellow", "high": "red", "critical": "bold red"}
Line = tuple[Text, Text]


def print_page(detector: str, rows: Sequence[ExplainedRow], explaining: Explaining, out: TextIO) -> None:
    """Prints a head and a block for each request."""
    console = Console(file=out, highlight=False, width=None if out.isatty() else 140)
    console.print(_head(detector, rows, explaining))
    for row in rows:
        console.print()
        console.print(_of_row(row))
        if row.parts:
            console.print(_made_of(row))
        for told in _worth_telling(row):
            console.print(_said(told))
            table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
            table.add_column(overflow="fold")
            table.add_column(overflow="fold", min_width=20)
            for text, value in _lines(told):
                table.add_row(text, value)
            console.print(table)


def _head(detector: str, rows: Sequence[ExplainedRow], explaining: Explaining) -> Text:
    of = f"{explaining.matched:,} requests" + (f" of the entity, of {explaining.rows:,}" if explaining.matched < explaining.rows else "")
    shown = f"; {len(rows):,} told here" if len(rows) not in (explaining.raised, explaining.matched) else ""
    nearest = ", those that came nearest" if rows and not explaining.raised and len(rows) < explaining.matched else ""
    return Text.assemble((detector, "bold"), f" raised {explaining.raised:,} of {of}{shown}{nearest}")


def _of_row(row: ExplainedRow) -> Text:
    at = rfc3339(row.start)[:23].replace("T", " ")
    who = " · ".join(f"{kind} {id:016x}" for kind, id in row.who.items())
    return Text.assemble(
        (f"request {row.number:,}", "bold"), f" · {at} · {escape(row.endpoint)} · ", (f"{who} · trace {row.trace_id}", "dim")
    )


def _made_of(row: ExplainedRow) -> Text:
    """What the score of a request that says something unusual is made of."""
    nats = ", ".join(f"{name} {value:.1f}" for name, value in row.parts.items())
    rule = "the largest, and half of what the others have over 1"
    return Text.assemble("  nats of its ", (nats, "bold"), f" ({rule}): {escape(row.payload)}")


def _worth_telling(row: ExplainedRow) -> list[Told]:
    """Signals that are raised; without one all of them."""
    signals = row.signals
    return [told for told in signals if told.raised] or signals


def _said(told: Told) -> Text:
    whom = f"{told.entity_type} {told.entity:016x}" if told.entity else f"{told.entity_type} unknown"
    if told.raised:
        return Text.assemble("  ", (f"raised {told.severity}", COLORS[told.severity]), f" on {whom}: {escape(told.sentence)}")
    return Text.assemble("  ", ("not raised", "green"), f" on {whom}; it would say: {escape(told.sentence)}")


def _lines(told: Told) -> Iterator[Line]:
    seen: set[int] = set()
    for name, part in told.parts.items():
        yield from _tree(part, 2, f"{name}  ", seen)


def _tree(node: Explained, depth: int, label: str, seen: set[int]) -> Iterator[Line]:
    """A node, then what it is made of; that once only, for parts share nodes."""
    yield Text.assemble("  " * depth, (label, "bold"), escape(node.text)), _value(node)
    if id(node) not in seen:
        seen.add(id(node))
        for part in node.of:
            if id(part) not in seen or part.of == ():
                yield from _tree(part, depth + 1, "", seen)


def _value(node: Explained) -> Text:
    if node.value is None:
        return Text(f"unknown: {node.unknown}", "yellow")
    if node.kind == "logic":
        return Text("true", "green") if node.value else Text("false", "dim")
    if node.kind == "id":
        return Text(f"{node.value:016x}", "dim")
    return Text(f"{int(node.value):,}" if float(node.value).is_integer() else f"{node.value:.4g}")
