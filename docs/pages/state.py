"""docs/reference/state.md: everything in a detector that remembers or calculates."""

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from apisec_otel import api
from apisec_otel.plan.words import spell
from docs.pages import markdown

INTRO = """\
A detector's `state` remembers. Tallies answer with the row counted; baselines answer first, as learned before the row, and learn when
a window closes. `by` is an id column or a tuple of them; `where` says which rows are remembered; `within` slides, in eighths.
Where an answer is missing (a key is missing, a baseline has fewer than 20 teachers) conditions on it are unknown and nothing is
raised. How they are put together: [write a detector](../how-to/write-a-detector.md)."""

FUNCTIONS = "Functions over columns, in place of Python's own, which would look at a value that is not known yet:"


def page() -> str:
    """The page."""
    memory = [(name, vars(api.State)[name]) for name in vars(api.State) if not name.startswith("_")]
    functions = [(name, getattr(api, name)) for name in api.__all__ if inspect.isfunction(getattr(api, name))]
    return markdown.page("State and functions", INTRO, _table("state.", memory), FUNCTIONS, _table("", functions))


def _table(prefix: str, found: list[tuple[str, Callable[..., Any]]]) -> str:
    return markdown.table(("call", "answers"), ((f"`{prefix}{name}({_arguments(each)})`", _says(each)) for name, each in found))


def _arguments(function: Callable[..., Any]) -> str:
    parts = []
    for name, each in inspect.signature(function).parameters.items():
        if name == "memory":
            continue
        if each.kind is each.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        default = f"={each.default!r}" if each.default is not each.empty and each.default is not None else ""
        default = f"={spell(each.default)}" if isinstance(each.default, timedelta) else default
        parts.append(f"{'*' if each.kind is each.VAR_POSITIONAL else ''}{name}{'=None' if each.default is None else default}")
    return ", ".join(parts)


def _says(function: Callable[..., Any]) -> str:
    return markdown.first_line(function.__doc__)
