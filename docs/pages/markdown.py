"""The few shapes that the pages are made of."""

import textwrap
from collections.abc import Iterable, Sequence

GENERATED = "<!-- Made by `make docs` from the code; edit the code. -->"


def page(title: str, *parts: str) -> str:
    """A whole page."""
    return "\n\n".join((f"# {title}", GENERATED, *(part for part in parts if part))) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; empty when there are no rows."""
    lines = [_row(row) for row in rows]
    return "\n".join([_row(head), "|" + " --- |" * len(head), *lines]) if lines else ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|').replace(chr(10), ' ') for cell in cells)} |"


def code(text: str, language: str = "") -> str:
    """A fenced block."""
    return f"```{language}\n{text.strip(chr(10))}\n```"


def prose(docstring: str | None) -> str:
    """A docstring as paragraphs."""
    first, _, rest = (docstring or "").strip().partition("\n")
    return f"{first}\n{textwrap.dedent(rest)}".strip()


def first_line(docstring: str | None) -> str:
    """What a docstring says in one line."""
    return (docstring or "").strip().partition("\n")[0]


def ticked(words: Iterable[str]) -> str:
    """`a`, `b`."""
    return ", ".join(f"`{word}`" for word in words)
