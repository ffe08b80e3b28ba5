"""One finding by its id: in what replay printed, or by replaying traces."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from apisec_otel.cli.judged import Rows, Summary, Told
from apisec_otel.cli.replay_engine import engine_of
from apisec_otel.cli.replaying import Replay
from apisec_otel.cli.session_book import SessionTotals
from apisec_otel.config import Config
from apisec_otel.errors import ComponentError
from apisec_otel.findings.finding import Finding
from apisec_otel.receivers.otlp_json_file import Fault

_PRINTED: Final = b'{"type":'
"""How every line starts that replay prints."""


@dataclass(frozen=True, slots=True)
class Found:
    """What makes a finding the same again."""

    detector: str
    entity: int
    """Keyed hash; 0: nobody."""
    endpoint: str


def find(id: str, files: Sequence[str], config: Config) -> tuple[Found | None, int]:
    """The finding of an id, and how many were looked at. ComponentError says what could not be read."""
    printed = [file for file in files if file == "-" or _starts(file).startswith(_PRINTED)]
    traces = [file for file in files if file not in printed]
    seen = 0
    for each, found in (*_in_lines(printed), *(_by_replay(traces, config) if traces else ())):
        seen += 1
        if each == id:
            return found, seen
    return None, seen


def _starts(file: str) -> bytes:
    try:
        with Path(file).open("rb") as opened:
            return opened.read(len(_PRINTED))
    except OSError as error:
        raise ComponentError(f"feedback: {file}: {error.strerror}") from error


def _in_lines(files: Iterable[str]) -> Iterator[tuple[str, Found]]:
    for file in files:
        if file == "-":
            yield from _lines("standard input", sys.stdin)
            continue
        with Path(file).open(encoding="utf-8") as opened:
            yield from _lines(file, opened)


def _lines(name: str, opened: TextIO) -> Iterator[tuple[str, Found]]:
    for number, line in enumerate(opened, 1):
        try:
            said = json.loads(line)
            if said["type"] == "finding":
                yield said["id"], _found(said)
        except (ValueError, TypeError, KeyError) as error:
            raise ComponentError(f"feedback: {name}: line {number}: is not what replay --format json prints ({error!r})") from error


def _found(said: dict[str, Any]) -> Found:
    entity = said["entity"]
    return Found(said["detector"], int(entity["id"], 16) if entity else 0, said["endpoint"])


def _by_replay(files: Sequence[str], config: Config) -> Iterator[tuple[str, Found]]:
    collected = Collected()
    engine = engine_of(config)
    try:
        Replay(engine, [collected], lambda file, spans: None).run(files)
    except OSError as error:
        raise ComponentError(f"feedback: {error}") from error
    for finding in collected.findings:
        yield finding.id, Found(finding.detector, finding.entity, finding.endpoint_name)


class Collected:
    """An output of replay that keeps findings."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def batch(
        self,
        rows: Rows,
        findings: Sequence[Finding],
        ended: Sequence[tuple[int, SessionTotals]] = (),
        told: Sequence[tuple[int, Told]] = (),
    ) -> None:
        """Keeps them, suppressed ones too."""
        self.findings += findings
        for _, each in told:
            self.told(each)

    def told(self, told: Told) -> None:
        """Keeps one that is on no request."""
        if isinstance(told, Finding):
            self.findings.append(told)

    def session(self, totals: SessionTotals) -> None:
        """Not wanted."""

    def fault(self, fault: Fault) -> None:
        """Says what could not be read, at once."""
        print(f"replay: {fault}", file=sys.stderr)

    def end(self, summary: Summary) -> None:
        """Not wanted."""
