"""An incident as a story: first sign, what followed, what succeeded, who else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from apisec_otel.findings.evidence import Evidence
from apisec_otel.findings.incident import Case
from apisec_otel.findings.text import short

SENTENCE: Final = 140
"""Bytes of what is quoted of a finding."""
CHAPTERS: Final = 4
"""Detectors that are told of; the others are counted."""
NAMED: Final = 3
"""Linked entities that are named."""


def story(case: Case) -> tuple[str, ...]:
    """Sentences in the order of what happened, together about 1 KB at most. What was observed and expected stands in each finding's own."""
    begun = sorted(case.evidence.values(), key=lambda each: (each.first, each.detector))
    chapters = [begun[0], *_followed(begun[1:])]
    chapters.sort(key=lambda each: (each.first, each.detector))
    told = [_chapter("First sign" if at == 0 else "Then", each) for at, each in enumerate(chapters)]
    if more := len(begun) - len(chapters):
        told.append(f"{more} more {_plural(more, 'detector')} raised it.")
    return (*told, _succeeded(begun), _others(case))


def _followed(evidence: Sequence[Evidence]) -> list[Evidence]:
    """The worst of what came after the first sign."""
    return sorted(evidence, key=lambda each: each.rank, reverse=True)[: CHAPTERS - 1]


def _chapter(opening: str, each: Evidence) -> str:
    said = short(each.reason, SENTENCE).rstrip(".")
    until = clock(each.last)
    until = until[11:] if until[:10] == clock(each.first)[:10] else until
    often = "once" if each.times == 1 else f"{each.times:,} times until {until}"
    return f"{opening} at {clock(each.first)}: {said} ({each.detector}, {often})."


def _succeeded(evidence: Sequence[Evidence]) -> str:
    times, succeeded = sum(each.times for each in evidence), sum(each.succeeded for each in evidence)
    if not succeeded:
        return "No request that raised it was answered with success."
    named = ", ".join(each.detector for each in evidence if each.succeeded)
    return f"{succeeded:,} of {times:,} were raised on requests that were answered with success ({short(named, 120)})."


def _others(case: Case) -> str:
    if not case.others:
        return "Nobody else is known to be part of it."
    named = sorted(case.others, key=lambda who: (case.others[who], who))
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return f"Also part of it: {', '.join(named[:NAMED])}{more}."


def clock(nanoseconds: int) -> str:
    """>>> clock(1_700_000_000 * 10**9)
    '2023-11-14 22:13:20 UTC'
    """
    seconds = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=nanoseconds // 10**9)
    return f"{seconds:%Y-%m-%d %H:%M:%S} UTC"


def _plural(count: int, word: str) -> str:
    return word if count == 1 else word + "s"
