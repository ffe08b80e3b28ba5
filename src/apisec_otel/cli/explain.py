"""`apisec-otel explain`: the value of each node of a detector, request by request."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from apisec_otel.cli.options import configuration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from apisec_otel.cli.explaining import ExplainedRow, Explaining
    from apisec_otel.cli.replaying import Replay
    from apisec_otel.config import Config
    from apisec_otel.plan.explain import Explained, Told


@click.command("explain")
@click.argument("detector")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--entity", metavar="X", help="Only requests of this principal, session, client or credential: its id, or itself.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Tell of at most so many requests.")
@click.option("--all", "everything", is_flag=True, help="Tell of all requests, raised or not.")
@click.option("--learn", "learn", multiple=True, metavar="FILE", help="Teach with this first. May be repeated.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="A page, or JSON lines.")
@configuration
def command(
    *, detector: str, files: tuple[str, ...], form: str, sources: tuple[str, ...], settings: tuple[str, ...], **options: Any
) -> int:
    """Tell why a detector raised requests, or why it did not.

    Replays FILEs as `replay` does and prints, for each request that DETECTOR raised, every expression of its declaration
    with its value there; when it raised none, for those that came nearest. What stands in several places is taken apart in
    the first. What is unknown says why. An entity is given as findings print it (16 digits), or as itself (a user id, an
    address, a credential), which is hashed and never printed.

    \b
    Examples:
      apisec-otel explain bola_enumeration traces.jsonl.gz
      apisec-otel explain auth_bruteforce traces.jsonl.gz --entity 203.0.113.7 --all
      apisec-otel explain bola_walk --format json traces.jsonl | jq .signals

    \b
    Exit codes:
      0  told
      1  no request to tell of
      2  something could not be read, or there is no such detector
    """
    from apisec_otel.cli.explaining import Explaining

    config = _running(detector, sources, settings)
    explaining = Explaining(config, detector, options["entity"], None if options["everything"] else options["limit"])
    unread = _replayed(explaining, files, options["learn"])
    rows = explaining.chosen()
    if form == "json":
        for row in rows:
            print(json.dumps(as_json(detector, row), separators=(",", ":")))
    else:
        from apisec_otel.cli.explain_page import print_page

        print_page(detector, rows, explaining, sys.stdout)
    if not rows:
        print(_nothing(explaining, options["entity"]), file=sys.stderr)
    return 2 if unread else int(not rows)


def _running(detector: str, sources: Sequence[str], settings: Sequence[str]) -> Config:
    """The configuration, in which the detector runs: on trial where it is off. ComponentError when there is none of that name."""
    from apisec_otel.config import read
    from apisec_otel.errors import ComponentError, suggest
    from apisec_otel.processors.detect import Detect

    files = list(sources) or ["packaged:replay"]
    config = read(files, settings)
    steps = [each for each in config.used() if isinstance(each.settings, Detect)]
    if not steps:
        raise ComponentError("explain: no pipeline of this configuration has the processor detect")
    if detector not in steps[0].settings.detectors:
        raise ComponentError(f"explain: unknown detector {detector!r}; {suggest(detector, steps[0].settings.detectors)}")
    if any(id == detector for id, _, _, _ in steps[0].settings.running()):
        return config
    print(f"explain: {detector} is off in this configuration; it runs here all the same, on trial", file=sys.stderr)
    return read(files, [*settings, f"processors::{steps[0].id}::detectors::{detector}::mode=shadow"])


def _replayed(explaining: Explaining, files: Sequence[str], learn: Sequence[str]) -> int:
    """Replays; answers how many stored requests could not be read."""
    from apisec_otel.cli.progress import Progress
    from apisec_otel.cli.replaying import Replay
    from apisec_otel.errors import ComponentError

    with Progress([*learn, *files], sys.stderr) as progress:
        run = Replay(explaining.engine, [progress], progress.at)
        try:
            return _run(run, explaining, files, learn)
        except OSError as error:
            raise ComponentError(f"explain: {error}") from error


def _run(run: Replay, explaining: Explaining, files: Sequence[str], learn: Sequence[str]) -> int:
    if learn:
        explaining.learning = True
        run.learn(learn)
        explaining.learning = False
    return run.run(files).decode_errors


def _nothing(explaining: Explaining, entity: str | None) -> str:
    if entity is not None and explaining.rows:
        return f"explain: none of {explaining.rows:,} requests is of that entity; give its id as findings print it, or the entity itself"
    return "explain: no request was judged"


def as_json(detector: str, row: ExplainedRow) -> dict[str, Any]:
    """A row as JSON values; ids are 16 hexadecimal digits. A part that stands in several places is taken apart in the first."""
    from apisec_otel.cli.judged import rfc3339

    seen: set[int] = set()
    return {
        "type": "explained",
        "detector": detector,
        "request": row.number,
        "time": rfc3339(row.start),
        "trace_id": row.trace_id,
        "span_id": row.span_id,
        "endpoint": row.endpoint,
        **{kind: f"{id:016x}" for kind, id in row.who.items()},
        "raised": row.raised,
        **({"payload": {"why": row.payload, "nats": row.parts}} if row.parts else {}),
        "signals": [_signal(each, seen) for each in row.signals],
    }


def _signal(told: Told, seen: set[int]) -> dict[str, Any]:
    return {
        "index": told.index,
        "raised": told.raised,
        "severity": told.severity,
        "p": told.p,
        "entity": {"type": told.entity_type, "id": f"{told.entity:016x}" if told.entity else None},
        "sentence": told.sentence,
        "nodes": {name: _node(part, seen) for name, part in told.parts.items()},
    }


def _node(node: Explained, seen: set[int]) -> dict[str, Any]:
    value = f"{node.value:016x}" if node.kind == "id" and node.value is not None else node.value
    told: dict[str, Any] = {"node": node.text, "value": value}
    if node.unknown:
        told["unknown"] = node.unknown
    if node.of and id(node) not in seen:
        seen.add(id(node))
        told["of"] = [_node(part, seen) for part in node.of]
    return told
