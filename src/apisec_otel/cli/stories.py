"""Incidents of a replay as stories, the worst first."""

from __future__ import annotations

from textwrap import wrap
from typing import Final

from rich.console import Console
from rich.text import Text

from apisec_otel.cli.judged import Summary
from apisec_otel.findings.incident import Incident
from apisec_otel.findings.severity import Level
from apisec_otel.findings.story import clock

SHOWN: Final = 10
"""Incidents that are told; the others are counted."""
KEPT: Final = 1_000
"""Incidents of which the last word is kept; past it only worse ones."""

COLOURS: Final = {
    Level.CRITICAL: "bold white on red",
    Level.HIGH: "bold red",
    Level.MEDIUM: "bold yellow",
    Level.LOW: "cyan",
    Level.INFO: "dim",
}
"""How each severity is shown."""


class Stories:
    """Keeps the last word of each incident and prints them at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._known: dict[str, Incident] = {}

    def add(self, incident: Incident) -> None:
        """Keeps what an incident says now."""
        self._known[incident.id] = incident
        if len(self._known) > KEPT:
            del self._known[max(self._known.values(), key=_rank).id]

    def print(self, summary: Summary) -> None:
        """A title, and each incident's story."""
        self._console.print()
        self._console.print(Text("Incidents", "bold underline"))
        ranked = sorted(self._known.values(), key=_rank)
        if not ranked:
            self._line("None: nothing here is worth calling somebody.", "green", indent=2)
        for incident in ranked[:SHOWN]:
            self._print(incident)
        if (more := summary.incidents - min(SHOWN, len(ranked))) > 0:
            self._line(f"... and {more:,} more", "dim", indent=2)
        if withheld := summary.suppressed["budget"]:
            self._line(f"{withheld:,} more held back: over the budget", "dim", indent=2)

    def _print(self, incident: Incident) -> None:
        level = incident.level
        state = f"closed {clock(incident.time)}" if incident.state == "closed" else "open"
        facts = [f"incident {incident.id}", f"{incident.count:,} findings", f"risk {incident.risk:.0f}", state]
        who = f"{incident.entity_kind} {incident.entity:016x}" if incident.entity else "somebody"
        self._console.print()
        title = Text.assemble("  ", (f" {level.word.upper()} ", COLOURS[level]), "  ", (who, "bold"), ("  " + " · ".join(facts), "dim"))
        self._console.print(title, soft_wrap=True)
        for sentence in incident.story:
            for at, line in enumerate(wrap(sentence, self._console.width - 8)):
                self._line(line, indent=4 if at == 0 else 6)

    def _line(self, text: str, style: str = "", indent: int = 0) -> None:
        self._console.print(Text(" " * indent + text, style), soft_wrap=True)


def _rank(incident: Incident) -> tuple[int, int, str]:
    return -incident.level, incident.first, incident.id
