"""`apisec-otel session`: one session, request by request."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from apisec_otel.cli.options import configuration

if TYPE_CHECKING:
    from apisec_otel.cli.behind import Behind
    from apisec_otel.cli.timeline import Entry, Timeline, Wanted


def outputs(command: Any) -> Any:
    """Adds the options of what is written."""
    path = click.Path(path_type=Path)
    forms = click.Choice(["text", "json"])
    for option in (
        click.option("--curl", is_flag=True, help="Print a curl command for each request instead; secrets are variables such as $TOKEN."),
        click.option("--har", metavar="FILE", type=path, help="Write the requests as an HTTP Archive (HAR 1.2) as well."),
        click.option("--format", "form", type=forms, default="text", show_default=True, help="A page, or JSON lines."),
        click.option("--learn", "learn", multiple=True, metavar="FILE", help="Teach with this first. May be repeated."),
    ):
        command = option(command)
    return command


@click.command("session")
@click.argument("id", metavar="ID")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--principal", is_flag=True, help="ID is a principal's hash: all requests of that caller.")
@outputs
@configuration
def command(
    *, id: str, files: tuple[str, ...], principal: bool, sources: tuple[str, ...], settings: tuple[str, ...], **options: Any
) -> int:
    """Tell a session request by request: what it asked, what it cost, what was found and what ran behind it.

    Replays FILEs as `replay` does. ID is the session's id as findings and `replay` print it, or its first digits. Requests
    in a row that are alike and in which nothing new was found are one line.

    \b
    Examples:
      apisec-otel session 5f0c2a9d traces.jsonl.gz
      apisec-otel session 5f0c2a9d traces.jsonl.gz --har session.har
      apisec-otel session 5f0c2a9d traces.jsonl.gz --curl
      apisec-otel session --principal 00c1d4f7a2b39e58 traces.jsonl.gz --format json

    \b
    Exit codes:
      0  told
      1  there is no such session in the files
      2  something could not be read
    """
    from apisec_otel.cli.timeline import of_principal, of_session

    kind = "principal" if principal else "session"
    try:
        wanted = (of_principal if principal else of_session)(id.lower())
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    timeline, unread = replayed(wanted, files, sources, settings, options["learn"])
    if not timeline.entries:
        print(f"session: no {kind} {id} in these files", file=sys.stderr)
        if timeline.best and not principal:
            print("with the largest scores are:", file=sys.stderr)
            for each in timeline.best:
                print(f"  {each.key:016x}  score {each.score:.2f}  {each.requests:,} requests", file=sys.stderr)
        return 2 if unread else 1
    told([f"{kind} {id}"], timeline, files, options)
    return 2 if unread else 0


def replayed(
    wanted: Wanted, files: Sequence[str], sources: Sequence[str], settings: Sequence[str], learn: Sequence[str]
) -> tuple[Timeline, int]:
    """The timeline of what is wanted, and how many lines could not be read. Files are read again, so none is standard input."""
    from apisec_otel.cli.progress import Progress
    from apisec_otel.cli.replay_engine import engine_of
    from apisec_otel.cli.replaying import Replay
    from apisec_otel.cli.timeline import Timeline
    from apisec_otel.config import read

    if "-" in files:
        raise click.UsageError("the files are read twice, so standard input (-) cannot be one")
    for path in files:
        if not Path(path).is_file():
            raise click.UsageError(f"there is no file {path!r}")
    engine, timeline = engine_of(read(list(sources) or ["packaged:replay"], settings)), Timeline(wanted)
    with Progress([*learn, *files], sys.stderr) as progress:
        run = Replay(engine, [timeline, progress], progress.at)
        if learn:
            run.learn(learn)
        summary = run.run(files)
    for fault in summary.faults:
        print(f"session: {fault}", file=sys.stderr)
    return timeline, summary.decode_errors


def told(title: Sequence[str], timeline: Timeline, files: Sequence[str], options: dict[str, Any]) -> None:
    """Prints and writes a timeline as the options say."""
    from importlib import import_module
    from importlib.metadata import version

    from apisec_otel.cli.behind import behind
    from apisec_otel.cli.session_files import curl, har
    from apisec_otel.cli.session_page import Page

    ids = {(entry.trace_id, entry.span_id) for entry in timeline.entries}
    known = behind(files, ids, import_module("apisec_otel._native").transcode)
    if options["har"]:
        options["har"].write_text(har(timeline.entries, known, version("apisec-otel")), encoding="utf-8")
        print(f"written: {options['har']}", file=sys.stderr)
    if options["curl"]:
        print("\n".join(curl(timeline.entries, known)))
    elif options["form"] == "json":
        for entry in timeline.entries:
            print(json.dumps(as_json(entry, known.get((entry.trace_id, entry.span_id))), ensure_ascii=False, separators=(",", ":")))
    else:
        Page(sys.stdout).print(title, timeline, known)


def as_json(entry: Entry, behind: Behind | None) -> dict[str, Any]:
    """A request as an object."""
    from apisec_otel.cli.judged import rfc3339

    return {
        "time": rfc3339(entry.start),
        "trace_id": entry.trace_id,
        "span_id": entry.span_id,
        "session": f"{entry.session:016x}" if entry.session else None,
        "principal": f"{entry.principal:016x}" if entry.principal else None,
        "endpoint": entry.endpoint,
        "status": entry.status or None,
        "duration": entry.duration,
        "score": round(entry.score, 6),
        "findings": [
            {
                "id": finding.id,
                "detector": finding.detector,
                "severity": finding.level.word,
                "reason": finding.reason,
                "suppressed": finding.suppressed,
                "evidence": {
                    name: [value if value == value else None for value in pair]  # NaN: not known
                    for name, pair in finding.evidence.items()
                },
            }
            for finding in entry.findings
        ],
        "behind": dict(behind.calls) if behind else {},
    }
