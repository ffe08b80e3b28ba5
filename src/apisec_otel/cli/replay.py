"""`apisec-otel replay`: stored traces through the pipeline, on their own time.

What runs is imported when it runs: the command line answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from apisec_otel.findings.severity import SEVERITIES

if TYPE_CHECKING:
    from apisec_otel.cli.judged import Engine

EngineFactory = Callable[[tuple[str, ...]], "Engine"]
"""An engine from configuration files; none: the pipeline for replay that is shipped."""


def command(engine_from: EngineFactory) -> click.Command:
    """The `replay` command on engines made by `engine_from`."""

    @click.command("replay", short_help="Run stored traces through the pipeline and report what it finds.")
    @click.argument("files", nargs=-1, required=True, metavar="FILE...")
    @click.option(
        "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="A report, or JSON lines."
    )
    @click.option("--config", "configs", multiple=True, metavar="FILE", help="Configuration; may be repeated, later files win.")
    @click.option("--learn", "learn", multiple=True, metavar="FILE", help="Teach with this first, printing nothing; may be repeated.")
    @click.option("--out", metavar="DIR", help="Write the enriched spans and what findings become, as OTLP/JSON lines.")
    @click.option("--fail-on", type=click.Choice(SEVERITIES), help="Exit with 1 when a finding is this severe or worse.")
    def replay(
        files: tuple[str, ...], form: str, configs: tuple[str, ...], learn: tuple[str, ...], out: str | None, fail_on: str | None
    ) -> None:
        """Run stored traces through the pipeline and report what it finds.

        FILE is what the Collector's file exporter writes: OTLP/JSON lines or length-delimited protobuf, plain, gzip
        or zstd; `-` is standard input. Several files are one stream, in the order given. Exit code: 0 clean,
        1 findings (with --fail-on), 2 when something could not be read.
        """
        sys.exit(_run(engine_from(configs), files, form, learn, Path(out) if out else None, fail_on))

    return replay


def _run(engine: Engine, files: Sequence[str], form: str, learn: Sequence[str], out: Path | None, fail_on: str | None) -> int:
    from apisec_otel.cli.lines import JsonLines
    from apisec_otel.cli.progress import Progress
    from apisec_otel.cli.replay_out import OutDirectory
    from apisec_otel.cli.replaying import Output, Replay, exit_code
    from apisec_otel.cli.report import Report

    if engine.constant_key:
        print("replay: no secret is configured: session and principal ids are made with a constant key", file=sys.stderr)
    printed: Output = JsonLines(sys.stdout) if form == "json" else Report(sys.stdout, files)
    with Progress([*learn, *files], sys.stderr) as progress:
        run = Replay(engine, [printed, progress], progress.at)
        try:
            if learn:
                run.learn(learn)
            if out is None:
                summary = run.run(files)
            else:
                with OutDirectory(out, engine) as directory:
                    run.on_judged = directory.write
                    summary = run.run(files)
        except BrokenPipeError:
            raise
        except OSError as error:
            print(f"replay: {error}", file=sys.stderr)
            return 2
    return exit_code(summary, fail_on)
