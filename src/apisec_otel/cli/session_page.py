"""A timeline as a page for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Final, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from apisec_otel.cli.behind import Behind
from apisec_otel.cli.judged import rfc3339
from apisec_otel.cli.stories import COLOURS
from apisec_otel.cli.timeline import Cost, Entry, Timeline, pause
from apisec_otel.findings.finding import Finding
from apisec_otel.findings.text import escape

CALLS: Final = 6
"""Kinds of calls behind a request that are named."""
QUIET: Final = 3
"""Requests of one endpoint and status in a row from which on they are told in one line, if nothing new was found in them."""


class Page:
    """Prints a timeline."""

    def __init__(self, out: TextIO) -> None:
        self._console = Console(file=out, highlight=False, width=None if out.isatty() else 140)

    def print(self, title: Sequence[str], timeline: Timeline, known: Mapping[tuple[str, str], Behind]) -> None:
        """A head, what it cost beside others, and each request with what was found and what ran behind it."""
        self._head(title, timeline)
        self._costs(timeline.own(), timeline.others())
        self._console.print()
        many = len({entry.session for entry in timeline.entries}) > 1
        before: Entry | None = None
        for run in _runs(timeline.entries):
            self._run(run, before, known, many=many)
            before = run[-1]
        if timeline.left_out:
            self._line(f"... and {timeline.left_out:,} more requests", "dim")

    def _head(self, title: Sequence[str], timeline: Timeline) -> None:
        self._console.print(Text(title[0], "bold"), soft_wrap=True)
        for sentence in title[1:]:
            for at, line in enumerate(wrap(sentence, self._console.width - 6)):
                self._line(line, indent=2 if at == 0 else 4)
        sessions = {entry.session for entry in timeline.entries if entry.session}
        for key in sorted(sessions):
            totals = timeline.totals.get(key)
            raised = f" · raised: {', '.join(totals.detectors)}" if totals and totals.detectors else ""
            score = f" · score {totals.score:.2f}" if totals else ""
            self._line(f"session {key:016x}{score}{raised}", indent=2)
        for principal in sorted({entry.principal for entry in timeline.entries if entry.principal}):
            self._line(f"principal {principal:016x}", indent=2)
        for address, agent in sorted({_client(finding) for entry in timeline.entries for finding in entry.findings} - {("", "")})[:5]:
            self._line(" · ".join(filter(None, (f"from {address}" if address else "", agent))), "dim", indent=2)

    def _costs(self, own: Cost, others: Cost) -> None:
        table = Table(box=None, padding=(0, 2, 0, 2), header_style="dim")
        for header in ("", "requests", "failed", "p50", "p95"):
            table.add_column(header, justify="right" if header else "left")
        for name, cost in (("these", own), ("others, same endpoints", others)):
            table.add_row(name, f"{cost.requests:,}", _share(cost), seconds(cost.p50), seconds(cost.p95))
        self._console.print()
        self._console.print(table)

    def _run(self, run: Sequence[Entry], before: Entry | None, known: Mapping[tuple[str, str], Behind], *, many: bool) -> None:
        first = run[0]
        waited = pause(before, first)
        took = seconds(first.duration) if len(run) == 1 else f"x{len(run)} in {seconds((run[-1].start - first.start) / 1e9)}"
        line = Text.assemble(
            (rfc3339(first.start)[11:23], "dim"),
            (f"{'' if waited is None else '+' + seconds(waited):>10}  ", "dim"),
            (f"{first.status or '?'}", "red" if first.failed else "green"),
            f"  {took:>8}  ",
            (escape(first.endpoint), "bold" if first.findings else ""),
            (f"  session {first.session:016x}" if many else "", "dim"),
            (f"  trace {first.trace_id}" if _is_new(first) else "", "dim"),
            ("".join(f"  {finding.detector} again" for finding in first.findings if finding.suppressed), "yellow"),
        )
        self._console.print(line, soft_wrap=True)
        for finding in first.findings:
            if not finding.suppressed:
                self._finding(finding)
        if _is_new(first) and (behind := known.get((first.trace_id, first.span_id))):
            self._behind(behind)

    def _finding(self, finding: Finding) -> None:
        head = Text.assemble(" " * 24, (f" {finding.level.word.upper()} ", COLOURS[finding.level]), f" {finding.detector}")
        self._console.print(head, soft_wrap=True)
        for line in wrap(finding.reason, self._console.width - 28):
            self._line(line, indent=26)
        for name, (observed, expected) in finding.evidence.items():
            beside = f", {expected:,.6g} expected" if expected == expected else ""
            if observed == observed:  # NaN: not known
                self._line(f"{name}: {observed:,.6g}{beside}", "dim", indent=26)

    def _behind(self, behind: Behind) -> None:
        if not behind.calls:
            return
        calls = [f"{escape(words)}{f' x{count}' if count > 1 else ''}" for words, count in behind.calls.most_common(CALLS)]
        more = f" and {len(behind.calls) - CALLS} more" if len(behind.calls) > CALLS else ""
        failed = f"; {behind.failed} failed" if behind.failed else ""
        self._line(f"behind it: {', '.join(calls)}{more}{failed}", "cyan", indent=26)

    def _line(self, text: str, style: str = "", indent: int = 0) -> None:
        self._console.print(Text(" " * indent + text, style), soft_wrap=True)


def _runs(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Requests in a row that are alike and in which nothing new was found, together; others alone."""
    runs: list[list[Entry]] = []
    for entry in entries:
        if runs and _kind(entry) == _kind(runs[-1][0]) and not _is_new(entry) and not _is_new(runs[-1][0]):
            runs[-1].append(entry)
        else:
            runs.append([entry])
    return [part for run in runs for part in ([run] if len(run) >= QUIET else [[entry] for entry in run])]


def _kind(entry: Entry) -> tuple[str, int, int, tuple[str, ...]]:
    return entry.endpoint, entry.status, entry.session, tuple(finding.detector for finding in entry.findings)


def _is_new(entry: Entry) -> bool:
    return any(not finding.suppressed for finding in entry.findings)


def _client(finding: Finding) -> tuple[str, str]:
    return finding.request.client_address, finding.request.user_agent


def _share(cost: Cost) -> str:
    return f"{100 * cost.failed / cost.requests:.0f} %" if cost.requests else "-"


def seconds(value: float | None) -> str:
    """>>> seconds(0.0123), seconds(75), seconds(None)
    ('12 ms', '1m15s', '-')
    """
    if value is None:
        return "-"
    if value < 1:
        return f"{1000 * value:.0f} ms" if value >= 0.001 else f"{1e6 * value:.0f} us"
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s"
