"""docs/reference/cli.md: the help of every command."""

from importlib import import_module
from importlib.util import find_spec

import click

from apisec_otel.cli import COMMANDS
from docs.pages import markdown

WIDTH = 100


def page() -> str:
    """The page."""
    names = implemented()
    listed = markdown.table(("command", "does"), ((f"[`{name}`](#{name})", COMMANDS[name][1]) for name in names))
    parts = [part for name in names for part in (f"## {name}", markdown.code(_help(name), "text"))]
    return markdown.page("The command line", "`apisec-otel COMMAND --help` says the same.", listed, *parts)


def implemented() -> list[str]:
    """Commands whose module is there."""
    return [name for name, (target, _) in COMMANDS.items() if find_spec(target.partition(":")[0])]


def _help(name: str) -> str:
    module, _, attribute = COMMANDS[name][0].partition(":")
    command: click.Command = getattr(import_module(module), attribute)
    context = click.Context(command, info_name=f"apisec-otel {name}", terminal_width=WIDTH, max_content_width=WIDTH)
    context.help_option_names = ["-h", "--help"]
    return "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
