"""`apisec-otel coverage`: what can be judged of each service, and what to set so that more can."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from apisec_otel.cli.options import configuration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from apisec_otel.inventory.coverage import ServiceCoverage

LONGEST_ANSWER = 16 << 20
"""Bytes read of a running instance's answer."""


@click.command("coverage")
@click.argument("files", nargs=-1, metavar="[FILE...]")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="A page, or a JSON line each."
)
@click.option(
    "--endpoint",
    default="localhost:13133",
    show_default=True,
    metavar="HOST:PORT",
    help="Health check of the running instance; asked when no FILE is given.",
)
@configuration
def command(files: tuple[str, ...], form: str, endpoint: str, sources: tuple[str, ...], settings: tuple[str, ...]) -> int:
    """Tell for each service what its telemetry lacks, which detectors are blind for that, and the setting that helps.

    Reads FILEs as `replay` does; without one it asks the running instance. Says too which share of requests is sampled
    away, and when a busy service told nothing for a batch interval: whoever can make an exporter drop a batch hides in it.

    \b
    Examples:
      apisec-otel coverage traces.jsonl.gz
      apisec-otel coverage
      apisec-otel coverage --format json traces.jsonl | jq 'select(.blind != [])'

    \b
    Exit codes:
      0  told
      2  nothing could be read, or nobody answers
    """
    found = of_files(files, sources, settings) if files else of_instance(endpoint)
    if form == "json":
        for each in found:
            print(json.dumps(each.as_json(), separators=(",", ":")))
    else:
        from apisec_otel.cli.coverage_page import print_page

        print_page(found, sys.stdout)
    return 0


def of_files(files: Sequence[str], sources: Sequence[str], settings: Sequence[str]) -> list[ServiceCoverage]:
    """Coverage after all of these files."""
    from apisec_otel.cli.progress import Progress
    from apisec_otel.cli.replay_engine import engine_of
    from apisec_otel.cli.replaying import Replay
    from apisec_otel.config import read
    from apisec_otel.errors import ComponentError

    engine = engine_of(read(list(sources) or ["packaged:replay"], settings))
    with Progress(files, sys.stderr) as progress:
        run = Replay(engine, [progress], progress.at)
        try:
            summary = run.run(files)
        except OSError as error:
            raise ComponentError(f"coverage: {error}") from error
    if summary.decode_errors and not summary.spans:
        raise ComponentError("coverage: nothing of it could be read")
    return engine.coverage()


def of_instance(endpoint: str) -> list[ServiceCoverage]:
    """Coverage as a running instance tells it beside its health."""
    from urllib.error import URLError
    from urllib.request import urlopen

    from apisec_otel.errors import ComponentError
    from apisec_otel.inventory.coverage import ServiceCoverage

    try:
        with urlopen(f"http://{endpoint}/coverage", timeout=10) as answer:
            told: list[dict[str, Any]] = json.loads(answer.read(LONGEST_ANSWER))
    except (URLError, OSError, ValueError) as error:
        why = getattr(error, "reason", error)
        raise ComponentError(
            f"coverage: nobody answers on http://{endpoint}/coverage ({why}); start `apisec-otel run` with the extension health_check, "
            "name its address with --endpoint, or name FILEs"
        ) from error
    return [ServiceCoverage.from_json(each) for each in told]
