"""`apisec-otel incident`: an incident's story, and the requests it is made of."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from apisec_otel.cli.options import configuration
from apisec_otel.cli.session import outputs, replayed, told

if TYPE_CHECKING:
    from apisec_otel.cli.timeline import Timeline, Wanted
    from apisec_otel.findings.incident import Incident


@click.command("incident")
@click.argument("id", metavar="ID")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@outputs
@configuration
def command(*, id: str, files: tuple[str, ...], sources: tuple[str, ...], settings: tuple[str, ...], **options: Any) -> int:
    """Tell an incident: its story, and request by request the sessions in which its findings are.

    Replays FILEs as `replay` does, twice. ID is the incident's id as `replay` and the log event have it, or its first digits.

    \b
    Examples:
      apisec-otel incident 9b1f04c7 traces.jsonl.gz
      apisec-otel incident 9b1f04c7 traces.jsonl.gz --curl

    \b
    Exit codes:
      0  told
      1  there is no such incident in the files
      2  something could not be read
    """
    from apisec_otel.cli.timeline import of_sessions

    first, unread = replayed(of_sessions(set(), set()), files, sources, settings, options["learn"])
    found = [each for each in first.incidents.values() if each.id.startswith(id.lower())]
    if len(found) != 1:
        count = f"{len(found)} incidents begin with" if found else "no incident"
        print(f"incident: {count} {id} in these files{_there_are(first)}", file=sys.stderr)
        return 2 if unread else 1
    (incident,) = found
    timeline, _ = replayed(_of(incident, first), files, sources, settings, options["learn"])
    title = f"{incident.level.word.upper()} incident {incident.id}, {incident.state}: risk {incident.risk:.0f}, {incident.count:,} findings"
    told([title, *incident.story], timeline, files, options)
    return 2 if unread else 0


def _there_are(timeline: Timeline) -> str:
    told = [f"\n  {each.id}  {each.level.word}  {each.story[0] if each.story else ''}" for each in list(timeline.incidents.values())[:10]]
    return "; there are:" + "".join(told) if told else "; nothing in them is an incident"


def _of(incident: Incident, timeline: Timeline) -> Wanted:
    """The sessions of an incident's findings, and the requests of those in no session."""
    from apisec_otel.cli.timeline import of_sessions

    found = [timeline.found[id] for id in incident.findings if id in timeline.found]
    alone = {(each.trace_id.hex(), each.span_id.hex()) for each in found if not each.session}
    return of_sessions({each.session for each in found if each.session}, alone)
