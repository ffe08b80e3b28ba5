"""The command `apisec-otel`. Each subcommand is a module, imported when it is called: `--help` answers at once."""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any

import click

COMMANDS = {
    "run": ("apisec_otel.cli.run:command", "Receive traces, find attacks, send everything on."),
    "validate": ("apisec_otel.cli.validate:command", "Check a configuration without running it."),
    "print-config": ("apisec_otel.cli.print_config:command", "Print a configuration with all defaults, secrets hidden; or its schema."),
    "components": ("apisec_otel.cli.components:command", "List components, or the columns that detectors read."),
    "replay": ("apisec_otel.cli.replay:command", "Find attacks in files of traces."),
    "coverage": ("apisec_otel.cli.coverage:command", "Tell what telemetry lacks, which detectors are blind for it, and what to set."),
    "explain": ("apisec_otel.cli.explain:command", "Tell why a detector raised a request, or why it did not."),
    "feedback": ("apisec_otel.cli.feedback:command", "Say of a finding that it was false, or that it was right."),
    "session": ("apisec_otel.cli.session:command", "Tell a session request by request; as HAR or curl too."),
    "incident": ("apisec_otel.cli.incident:command", "Tell an incident's story and its requests."),
    "demo": ("apisec_otel.cli.demo:command", "Attack an example API and watch what is found."),
}
"""Name, where it lives, and its line in the help, so that the help imports none of them."""

EXIT_CODES = """\b
Exit codes:
  0  done
  1  of replay with --fail-on: something that severe was found; of explain, session and incident: nothing to tell; of demo: one was missed
  2  cannot be used: the command line, the configuration or a component"""

EXAMPLES = """\b
Examples:
  apisec-otel demo                                  see it find something
  apisec-otel run                                   4317/4318 in, localhost:14318 out
  apisec-otel run --config my.yaml --set processors::detect::defaults::mode=shadow
  apisec-otel validate --config my.yaml             every mistake, with file and line
  apisec-otel replay traces.json                    what happened yesterday?
  apisec-otel coverage                              what can it not see?
  apisec-otel explain bola_walk traces.json         why was that raised, or not?
  apisec-otel session 5f0c2a9d traces.json          what did that session do, and what ran behind it?"""


class Lazy(click.Group):
    """A group that knows its commands by name and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order in which they are learnt."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports a command; None when there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        target, _ = COMMANDS[cmd_name]
        module, _, name = target.partition(":")
        found: click.Command = getattr(import_module(module), name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Adds the likeliest command to the error about an unknown one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from apisec_otel.errors import suggest

            ctx.fail(f"no such command {args[0]!r}; {suggest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


@click.command(
    cls=Lazy,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"{EXAMPLES}\n\n{EXIT_CODES}",
    invoke_without_command=True,
)
@click.option("--version", "-V", is_flag=True, help="Print the version.")
@click.pass_context
def cli(context: click.Context, version: bool) -> None:
    """Finds attacks on APIs in the OpenTelemetry traces you already have.

    apisec-otel stands between your services (or Collector) and your tracing backend. It forwards every span, writes what
    it finds on the spans themselves and sends findings as log events, finding spans and metrics.
    """
    if version:
        click.echo(f"apisec-otel version {_version()}")
    elif context.invoked_subcommand is None:
        click.echo(context.get_help())


def _version() -> str:
    return version("apisec-otel")


def main(arguments: Sequence[str] | None = None) -> Any:
    """Runs the command line and exits: 0 done, 1 found something, 2 cannot be used."""
    from apisec_otel.errors import ApisecError

    try:
        code = cli.main(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = 2
    except click.Abort:
        code = 130
    except ApisecError as error:
        click.echo(f"{click.style('error:', fg='red', bold=True)} {error}", err=True)
        code = 2
    except BrokenPipeError:
        sys.stderr.close()
        code = 0
    sys.exit(code if isinstance(code, int) else 0)
