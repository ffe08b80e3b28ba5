"""`apisec-otel replay`: stored traces through the pipeline, on their own time.

What runs is imported when it runs: the command line answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from apisec_otel.cli.options import configuration
from apisec_otel.findings.severity import SEVERITIES

if TYPE_CHECKING:
    from apisec_otel.cli.judged import Engine


@click.command("replay")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="A report, or JSON lines.")
@configuration
@click.option("--learn", "learn", multiple=True, metavar="FILE", help="Teach with this first, printing nothing. May be repeated.")
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="Write what leaves, as OTLP/JSON lines.")
@click.option("--fail-on", type=click.Choice(SEVERITIES), help="Exit with 1 when a finding is this severe or worse.")
def command(
    *, files: tuple[str, ...], form: str, sources: tuple[str, ...], settings: tuple[str, ...], learn: tuple[str, ...], **options: Any
) -> int:
    """Find attacks in files of traces.

    FILE is what the Collector's file exporter writes: OTLP/JSON lines or length-delimited protobuf, plain, gzip or
    zstd; `-` is standard input. Several files are one stream, in the order given, judged on the spans' own time.

    \b
    Examples:
      apisec-otel replay traces.jsonl.gz
      apisec-otel replay --learn monday.jsonl tuesday.jsonl
      apisec-otel replay --format json --fail-on high traces.jsonl | jq 'select(.type == "finding")'

    \b
    Exit codes:
      0  clean
      1  findings as severe as --fail-on says
      2  something could not be read (wins over 1)
    """
    from apisec_otel.cli.replay_engine import engine_of
    from apisec_otel.config import read

    config = read(list(sources) or ["packaged:replay"], settings)
    return replay(engine_of(config), files, form=form, learn=learn, out=options["out"], fail_on=options["fail_on"])


def replay(engine: Engine, files: Sequence[str], *, form: str, learn: Sequence[str], out: Path | None, fail_on: str | None) -> int:
    """Replays files through an engine, prints, and answers the exit code."""
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
