"""`apisec-otel feedback`: somebody says of a finding whether it was right."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from apisec_otel.cli.options import configuration

if TYPE_CHECKING:
    from apisec_otel.cli.found import Found
    from apisec_otel.clock import Clock
    from apisec_otel.config import Config
    from apisec_otel.findings.feedback import Marked

DEFAULT = "feedback.yaml"


@click.command("feedback")
@click.argument("finding", metavar="FINDING_ID")
@click.option("--false-positive", "verdict", flag_value="false_positive", help="It was no attack: the same again is allowed for a time.")
@click.option("--true-positive", "verdict", flag_value="true_positive", help="It was one; takes back what was said before.")
@click.option("--reason", required=True, help="Why, and who says so.")
@click.option("--from", "sources_of", multiple=True, required=True, metavar="FILE", help="Where it is. May be repeated.")
@click.option("--file", "path", metavar="FILE", help=f"Where to write; what decide::feedback says when left out, else {DEFAULT}.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="The last day on which it holds.  [default: in 90 days]")
@configuration
def command(*, finding: str, verdict: str | None, reason: str, sources: tuple[str, ...], settings: tuple[str, ...], **options: Any) -> int:
    """Say of a finding that it was false, or that it was right.

    Looks for the finding in FILE: what `replay --format json` printed (`-` is standard input), or traces, which are
    replayed. Adds an entry to the file that `decide::feedback` names: its detector, entity and endpoint are allowed
    until a day. Nothing else is: another endpoint, entity or detector shows as before. A running instance reads it on
    SIGHUP. Ids are made with the secret of the configuration, so give the one that found it.

    \b
    Examples:
      apisec-otel feedback 1f0c5d2ab3e49768 --false-positive --reason "nightly export" --from traces.jsonl
      apisec-otel replay --format json traces.jsonl | apisec-otel feedback ID --true-positive --reason "confirmed" --from -

    \b
    Exit codes:
      0  written
      1  there is no such finding
      2  something could not be read or written
    """
    from apisec_otel.cli.found import find
    from apisec_otel.clock import SystemClock
    from apisec_otel.config import read
    from apisec_otel.errors import ComponentError
    from apisec_otel.findings import feedback

    if verdict is None:
        raise click.UsageError("say --false-positive or --true-positive")
    if not reason.strip():
        raise click.UsageError("--reason says nothing; write why, and who says so")
    config = read(list(sources) or ["packaged:replay"], settings)
    found, seen = find(finding, options["sources_of"], config)
    if found is None:
        print(
            f"feedback: none of {seen:,} findings is {finding}; ids follow from the secret, so give the --config that found it",
            file=sys.stderr,
        )
        return 1
    path = options["path"] or _configured(config) or DEFAULT
    marked = _marked(found, finding, verdict, reason, options["until"], SystemClock())
    try:
        feedback.append(path, marked)
    except (OSError, ValueError) as error:
        raise ComponentError(f"feedback: {error}") from error
    _tell(path, marked, read_by=_configured(config))
    return 0


def _configured(config: Config) -> str:
    return next((each.settings.feedback for each in config.used() if hasattr(each.settings, "feedback")), "")


def _marked(found: Found, finding: str, verdict: str, reason: str, until: datetime | None, clock: Clock) -> Marked:
    from apisec_otel.errors import ComponentError
    from apisec_otel.findings.feedback import DAYS, Marked

    if not found.entity:
        raise ComponentError(f"feedback: {finding} accuses nobody, so nobody can be allowed for it")
    today = datetime.fromtimestamp(clock.now() / 1e9, UTC).date()
    last: date = until.date() if until else today + timedelta(days=DAYS)
    said: Any = verdict
    of: Any = {"detector": found.detector, "entity": found.entity, "endpoint": found.endpoint}
    return Marked(finding=finding, verdict=said, reason=reason, day=today, until=last, **of)


def _tell(path: str, marked: Marked, *, read_by: str) -> None:
    what = f"allowed until {marked.until}" if marked.verdict == "false_positive" else "shown, as long as it is raised"
    click.echo(f"{path}: {marked.detector} of {marked.entity:016x} at {marked.endpoint} is {what}")
    if read_by != path:
        click.echo(f"feedback: nothing reads {path} yet; set processors::decide::feedback to it", err=True)
