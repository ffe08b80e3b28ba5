"""Coverage as a page to read: what is blind first, then what is missing and what to set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from apisec_otel.cli.judged import rfc3339
from apisec_otel.findings.text import escape
from apisec_otel.inventory.coverage import ENOUGH, Gap, ServiceCoverage

UNDECODABLE: Final = (
    "no span of it arrived for a batch interval. An exporter drops a whole batch when one text in it is not UTF-8: "
    "in Go, one request for a path such as /%ff is enough. Look for such requests at the gateway around that time"
)


def print_page(services: Sequence[ServiceCoverage], out: TextIO) -> None:
    """Prints one block a service."""
    console = Console(file=out, highlight=False, width=None if out.isatty() else 120)
    if not services:
        console.print("No API request was seen: no SERVER span with HTTP or RPC attributes.", style="yellow")
    for each in services:
        console.print()
        console.print(_head(each))
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for what, text in _rows(each):
            table.add_row(what, text)
        console.print(table)


def _head(each: ServiceCoverage) -> Text:
    where = f" in {escape(each.environment)}" if each.environment else ""
    by = f" · {', '.join(map(escape, each.scopes[:3]))}" if each.scopes else ""
    return Text.assemble((escape(each.service), "bold"), where, (f" · {each.requests:,} requests{by}", "dim"))


def _rows(each: ServiceCoverage) -> list[tuple[str, Text]]:
    rows = [("  blind", _blind(each, id)) for id in each.blind]
    rows += [("  missing", _missing(gap)) for gap in each.gaps]
    if each.sampled is not None and each.sampled < 0.995:
        rows.append(("  sampled", _sampled(each.sampled)))
    if each.silences:
        count = "once" if each.silences == 1 else f"{each.silences} times"
        at = rfc3339(each.silent_at)[:19].replace("T", " ")
        rows.append(("  blinded", Text(f"{count}, {each.silent_seconds} s in all, last at {at} UTC: {UNDECODABLE}.", "red")))
    if each.silent_now:
        rows.append(("  silent", Text(f"for {each.silent_now:.0f} s now, although it was busy: {UNDECODABLE}, or it was stopped.", "red")))
    if each.requests < ENOUGH:
        rows.append(("", Text(f"too few requests to tell what is missing: {each.requests} of {ENOUGH}", "yellow")))
    return rows or [("", Text("everything that the detectors read is there", "green"))]


def _blind(each: ServiceCoverage, id: str) -> Text:
    lacking = [gap.column for gap in each.gaps if gap.missing == 1.0 and id in gap.blind]
    why = f"no {' and no '.join(lacking)}" if lacking else "what it reads is missing"
    return Text.assemble((id, "bold yellow"), f": {why}")


def _missing(gap: Gap) -> Text:
    share = "always" if gap.missing == 1.0 else f"in {gap.missing:.0%} of requests"
    costs = f", on which {', '.join(gap.blind)} cannot judge" if gap.blind and gap.missing < 1.0 else ""
    return Text.assemble((gap.column, "bold"), f" {share}{costs}: {gap.setting}")


def _sampled(share: float) -> Text:
    return Text(
        f"{share:.2g} of all requests arrive (tracestate): a count of 20 is reached after {20 / share:,.0f} requests, a single "
        f"request is seen with a chance of {share:.0%}, and what is missing proves nothing. Put apisec-otel before sampling."
    )
