"""`replay --format text`: what a person wants to read, the incidents first."""

from __future__ import annotations

import heapq
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Final, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from apisec_otel.cli.judged import NANO, Rows, Summary, Told, rfc3339
from apisec_otel.cli.report_tuned import print_tuned
from apisec_otel.cli.session_book import SessionTotals
from apisec_otel.cli.stories import COLOURS, Stories
from apisec_otel.cli.tallies import LIMIT, OTHER, Tallies, Tally, Unknowns
from apisec_otel.findings.finding import Finding
from apisec_otel.findings.severity import Level
from apisec_otel.findings.text import escape
from apisec_otel.receivers.otlp_json_file import Fault

ENDPOINTS: Final = 15
SESSIONS: Final = 10
EXAMPLES: Final = 3
GROUPS: Final = 6
"""Rows a section shows; what is left out is counted."""

HELD: Final = {"dedup": "repeats", "budget": "over the budget", "shadow": "of detectors on trial", "allowlist": "allowed"}
"""Why findings are kept back, in words."""


@dataclass(slots=True)
class Group:
    """Findings of one detector, severity and endpoint."""

    owasp: str
    shown: int = 0
    held: Counter[str] = field(default_factory=Counter)
    """What was kept back, by cause."""
    entities: set[int] = field(default_factory=set)
    examples: list[Finding] = field(default_factory=list)


class Report:
    """Adds up what is judged and prints it at the end."""

    def __init__(self, out: TextIO, files: Sequence[str]) -> None:
        self._console = Console(file=out, highlight=False, width=None if out.isatty() else 120)
        self._files = files
        self._services, self._endpoints, self._unknown = Tallies("service"), Tallies("endpoint"), Unknowns()
        self._groups: dict[tuple[Level, str], dict[str, Group]] = {}
        self._sessions: list[tuple[float, int, int, SessionTotals]] = []
        self._incidents = Stories(self._console)

    def batch(
        self,
        rows: Rows,
        findings: Sequence[Finding],
        ended: Sequence[tuple[int, SessionTotals]] = (),
        told: Sequence[tuple[int, Told]] = (),
    ) -> None:
        """Counts a batch."""
        for _, each in told:
            self.told(each)
        for _, totals in ended:
            self.session(totals)
        if len(rows):
            self._services.add(rows)
            self._endpoints.add(rows)
            self._unknown.add(rows)
        for finding in findings:
            self._add(finding)

    def told(self, told: Told) -> None:
        """Keeps the last word of each incident."""
        if isinstance(told, Finding):
            self._add(told)
        elif not told.suppressed:
            self._incidents.add(told)

    def session(self, totals: SessionTotals) -> None:
        """Keeps the sessions with the largest scores."""
        entry = (totals.score, totals.requests, totals.key, totals)
        (heapq.heappush if len(self._sessions) < SESSIONS else heapq.heappushpop)(self._sessions, entry)

    def fault(self, fault: Fault) -> None:
        """Faults come with the summary."""

    def end(self, summary: Summary) -> None:
        """Prints the report."""
        self._head(summary)
        if not summary.requests:
            self._line("Nothing to judge: no SERVER span with HTTP or RPC attributes was found.", "yellow")
        else:
            self._incidents.print(summary)
            self._print_findings(summary)
            print_tuned(self._console, summary)
            self._print_tallies("Services", self._services.ranked(), len(self._services))
            self._print_tallies("Endpoints", self._endpoints.ranked(), ENDPOINTS)
            self._print_sessions(summary)
        self._print_unknown(summary)

    def _add(self, finding: Finding) -> None:
        groups = self._groups.setdefault((finding.level, finding.detector), {})
        name = finding.endpoint_name if finding.endpoint_name in groups or len(groups) < LIMIT else OTHER
        group = groups.setdefault(name, Group(finding.owasp))
        if len(group.entities) < 10_000:
            group.entities.add(finding.entity)
        if finding.suppressed:
            group.held[finding.suppressed] += 1
        else:
            group.shown += 1
        if finding.suppressed in (None, "shadow") and len(group.examples) < EXAMPLES:
            group.examples.append(finding)

    def _head(self, summary: Summary) -> None:
        names = ", ".join(escape(os.path.basename(path)) for path in self._files[:3])
        more = f" and {len(self._files) - 3} more" if len(self._files) > 3 else ""
        self._console.print(Text.assemble(("apisec-otel replay", "bold"), "  ", (names + more, "dim")), soft_wrap=True)
        counts = [
            _count(summary.spans, "span"),
            _count(summary.requests, "request"),
            _count(len(self._services), "service"),
            _count(len(self._endpoints), "endpoint"),
            _count(summary.sessions, "session"),
        ]
        self._line(" · ".join(counts))
        if summary.requests:
            self._line(f"{_minute(summary.first)} to {_minute(summary.last)} UTC, {_duration(summary.seconds)}", "dim")

    def _print_findings(self, summary: Summary) -> None:
        self._title("Findings")
        if not self._groups:
            self._line("None. Every request was judged.", "green", indent=2)
            return
        shown = [f"{count} {word}" for word, count in reversed(summary.findings.items()) if count]
        held = [f"{count:,} {HELD[cause]}" for cause, count in summary.suppressed.items() if count]
        self._line(", ".join(shown or ["none shown"]) + (f"; kept back: {', '.join(held)}" if held else ""), indent=2)
        for (level, detector), groups in sorted(self._groups.items(), key=lambda item: (-item[0][0], item[0][1])):
            self._print_detector(level, detector, groups)

    def _print_detector(self, level: Level, detector: str, groups: dict[str, Group]) -> None:
        shown = sum(group.shown for group in groups.values())
        owasp = next(iter(groups.values())).owasp
        said = _count(shown, "finding") + _held(sum((group.held for group in groups.values()), Counter()))
        self._console.print()
        line = Text.assemble(
            "  ", (f" {level.word.upper()} ", COLOURS[level]), "  ", (detector, "bold"), f"  {owasp}".rstrip(), ("  " + said, "dim")
        )
        self._console.print(line, soft_wrap=True)
        ranked = sorted(groups.items(), key=lambda item: (-item[1].shown - item[1].held.total(), item[0]))
        for endpoint, group in ranked[:GROUPS]:
            self._print_group(endpoint, group)
        if len(ranked) > GROUPS:
            self._line(f"... at {_count(len(ranked) - GROUPS, 'more endpoint')}", "dim", indent=4)

    def _print_group(self, endpoint: str, group: Group) -> None:
        kind = group.examples[0].entity_kind if group.examples else "entity"
        said = f"  by {_count(len(group.entities), kind or 'entity')}{_held(group.held)}"
        self._console.print(Text.assemble("    ", (endpoint, "bold cyan"), (said, "dim")), soft_wrap=True)
        for finding in group.examples:
            self._print_example(finding)
        if (more := group.shown + group.held["shadow"] - len(group.examples)) > 0:
            self._line(f"... and {more} more", "dim", indent=6)

    def _print_example(self, finding: Finding) -> None:
        for at, line in enumerate(wrap(finding.reason, self._console.width - 16) or [""]):
            self._line(f"{_minute(finding.start)[11:] if at == 0 else '':8}  {line}", indent=6)
        facts = finding.request
        known = [
            f"{facts.method} answered {facts.status}" if facts.status else "",
            f"from {facts.client_address}" if facts.client_address else "",
            f"{finding.entity_kind} {finding.entity:016x}" if finding.entity else "",
            f"trace {finding.trace_id.hex()}",
        ]
        self._line(" · ".join(part for part in known if part), "dim", indent=16)

    def _print_tallies(self, title: str, ranked: Sequence[tuple[str, Tally]], limit: int) -> None:
        self._title(title)
        table = _table(("", "left"), ("requests", "right"), ("failed", "right"), ("", "right"), ("p95", "right"), ("top score", "left"))
        for name, tally in ranked[:limit]:
            share = f"{100 * tally.failed / tally.requests:.0f} %" if tally.failed else ""
            failed = f"{tally.failed:,}" if tally.failed else "-"
            style = "yellow" if 2 * tally.failed > tally.requests else ""
            table.add_row(Text(name), f"{tally.requests:,}", Text(failed, style), Text(share, style), _latency(tally.p95), _bar(tally.best))
        self._console.print(table)
        if len(ranked) > limit:
            rest = sum(tally.requests for _, tally in ranked[limit:])
            self._line(f"... and {_count(len(ranked) - limit, title[:-1].lower())} with {_count(rest, 'request')}", "dim", indent=2)

    def _print_sessions(self, summary: Summary) -> None:
        self._title("Sessions by score")
        table = _table(("", "left"), ("score", "left"), ("requests", "right"), ("from (UTC)", "left"), ("for", "right"), ("raised", "left"))
        for score, requests, key, totals in sorted(self._sessions, reverse=True):
            lasted = _duration((totals.last - totals.first) / NANO)
            table.add_row(f"{key:016x}", _bar(score), f"{requests:,}", _minute(totals.first), lasted, Text(", ".join(totals.detectors)))
        self._console.print(table)
        if summary.sessions > len(self._sessions):
            self._line(f"... and {_count(summary.sessions - len(self._sessions), 'session')}", "dim", indent=2)

    def _print_unknown(self, summary: Summary) -> None:
        lines = list(self._not_understood(summary))
        self._title("Not understood")
        if not lines:
            self._line("Nothing: every request has a status, an endpoint, a caller and a session.", "green", indent=2)
        for count, what in lines:
            self._console.print(Text.assemble(f"  {count:>9,}  ", what), soft_wrap=True)
        for fault in summary.faults:
            self._line(escape(str(fault)), "red", indent=13)
        if summary.decode_errors > len(summary.faults):
            self._line(f"... and {summary.decode_errors - len(summary.faults)} more", "red", indent=13)

    def _not_understood(self, summary: Summary) -> Iterable[tuple[int, str]]:
        unknown = self._unknown
        stated = [
            (unknown.status, "requests without a status: nothing is known to have failed or succeeded there"),
            (unknown.endpoint, "requests without an endpoint (unmatched): no route was sent and none could be told from the path"),
            (unknown.principal, "requests by nobody known: no user id, no captured credential header"),
            (unknown.client, "requests from an unknown client address"),
            (unknown.session, "requests in no session"),
            (summary.late, "requests came over 10 minutes late: judged, not learned from"),
            (summary.evicted, "sessions went early for want of room"),
            (summary.restarts, "times a file began over 10 minutes before the end of the one before: time began anew, baselines stayed"),
            (summary.other, "stored requests for logs or metrics were passed over"),
            (summary.decode_errors, "lines or records could not be read"),
        ]
        return [(count, what) for count, what in stated if count]

    def _title(self, title: str) -> None:
        self._console.print()
        self._console.print(Text(title, "bold underline"))

    def _line(self, text: str, style: str = "", indent: int = 0) -> None:
        self._console.print(Text(" " * indent + text, style), soft_wrap=True)


def _held(held: Counter[str]) -> str:
    return "".join(
        f", {_count(held[cause], 'repeat') if cause == 'dedup' else f'{held[cause]:,} {HELD[cause]}'}" for cause in HELD if held[cause]
    )


def _table(*columns: tuple[str, str]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for header, justify in columns:
        table.add_column(header, justify="right" if justify == "right" else "left", no_wrap=bool(header), overflow="fold")
    return table


def _bar(score: float) -> Text:
    """A score as ten cells and a figure."""
    cells = round(10 * score)
    style = "red" if score >= 0.6 else "yellow" if score >= 0.3 else "green"
    return Text.assemble(("█" * cells, style), ("░" * (10 - cells), "dim"), f" {score:.2f}")


def _count(count: int, word: str) -> str:
    plural = word[:-1] + "ies" if word.endswith("y") else word + "s"
    return f"{count:,} {word if count == 1 else plural}"


def _minute(nanoseconds: int) -> str:
    return rfc3339(nanoseconds)[:19].replace("T", " ")


def _latency(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _duration(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
