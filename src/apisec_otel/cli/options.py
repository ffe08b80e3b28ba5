"""Options that several commands share."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def configuration(command: F) -> F:
    """Adds --config and --set."""
    command = click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY::KEY=VALUE",
        help="Override one setting; VALUE is YAML. May be repeated.",
    )(command)
    return click.option(
        "--config",
        "-c",
        "sources",
        multiple=True,
        metavar="FILE",
        help="Configuration file, or packaged:NAME (default, tap, replay), env:NAME, yaml:TEXT. "
        "May be repeated: maps are merged, lists replaced.",
    )(command)


def packaged(name: str = "default") -> Path:
    """A packaged pipeline file; the configuration is imported only when it is asked for."""
    from apisec_otel.config.packaged import packaged

    return packaged(name)


def sources_or_default(sources: Sequence[str]) -> tuple[list[str], bool]:
    """The files that were given; or else the packaged default, and True."""
    return (list(sources), False) if sources else (["packaged:default"], True)
