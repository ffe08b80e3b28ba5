"""The part of replay's report about tuning: what detectors on trial would have raised, which lines of configuration apply to nothing."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from apisec_otel.cli.judged import Summary
from apisec_otel.findings.policy import Tally
from apisec_otel.findings.text import escape


def print_tuned(console: Console, summary: Summary) -> None:
    """Prints both; nothing where nothing is on trial, and nothing is overridden or allowed."""
    if summary.on_trial or summary.trials:
        _title(console, "On trial")
        console.print(_trials(summary))
    if summary.tallies:
        _title(console, "Overrides and allowed callers")
        for tally in summary.tallies:
            console.print(_told(tally, summary.last), soft_wrap=True)


def _title(console: Console, title: str) -> None:
    console.print()
    console.print(Text(title, "bold underline"))


def _trials(summary: Summary) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for header in ("", "would have raised", "a day", "in 10,000 requests"):
        table.add_column(header, justify="right" if header else "left", no_wrap=True)
    for detector, said in summary.shadow().items():
        table.add_row(Text(detector), *(_figure(said[key]) for key in ("findings", "per_day", "per_10000_requests")))
    return table


def _figure(value: float | int | None) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:,.3g}" if value < 100 else f"{value:,.0f}"


def _told(tally: Tally, now: int) -> Text:
    count, style = (f"{tally.matched:>9,}", "") if tally.matched else (f"{'never':>9}", "yellow")
    parts = list(_parts(tally, now))
    return Text.assemble("  ", (count, style), f"  {tally.name}", *parts)


def _parts(tally: Tally, now: int) -> Iterator[str | tuple[str, str]]:
    if tally.reason:
        yield f": {escape(tally.reason)}"
    if tally.is_over(now):
        yield (f"; expired: it held until {tally.until}", "yellow")
    elif tally.until is not None:
        yield (f"; until {tally.until}", "dim")
