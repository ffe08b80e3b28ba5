"""Why a request is unusual in what it says, in words: which parameter, what about it, and how often it was so. Never the value."""

from __future__ import annotations

from typing import Final

from apisec_otel.findings.text import short
from apisec_otel.spans.batch import NativeBatch

Reason = tuple[tuple[str, str, str, str], bool, float, float, int, list[float]]
"""Feature, place, name and word; whether the word is missing; how often it was so, and of how many; the length; nats by `PARTS`."""

PARTS: Final = ("value", "path", "names", "doubled names")
"""What a score is made of: the largest, and half of what the others have over a nat."""

NAME: Final = 40
"""Longer names of parameters are cut."""


def unusual(batch: NativeBatch, row: int) -> str:
    """Why a row is unusual in what it says; in general words where that is not kept."""
    reasons = dict(batch.reasons())
    return told(reasons[row]) if row in reasons else "nothing that it says is usual there"


def parts(batch: NativeBatch, row: int) -> dict[str, float]:
    """What a row's score is made of, in nats; empty where that is not kept, as nothing about it is unusual."""
    reasons = dict(batch.reasons())
    return dict(zip(PARTS, reasons[row][-1], strict=True)) if row in reasons else {}


def told(reason: Reason) -> str:
    """The reason as the end of a sentence.

    >>> told((("chars", "parameter", "name", "'"), False, 0, 1000, 12, [9.0, 0, 0, 0]))
    "parameter name: ' in 0 of 1,000 values"
    >>> told((("length", "header", "user-agent", ""), False, 2, 500, 512, [5.0, 0, 0, 0]))
    'header user-agent: length 512 or more, as 2 of 500 values'
    """
    (feature, place, name, word), lacks, seen, of, length, _ = reason
    where = f"{PLACES[place]} {short(name)[:NAME]}".rstrip() if place else ""
    if feature in REQUESTS:
        return REQUESTS[feature].format(name=short(name)[:NAME], seen=seen, of=of)
    how = VALUES[feature].format(word=f"no {word}" if lacks else word, seen=seen, of=of, length=length)
    return f"{where}: {how}"


PLACES: Final = {"parameter": "parameter", "segment": "a part of the path", "name": "the parameter's name", "header": "header"}
REQUESTS: Final = {
    "path": "such a path, or one that ends there, is hardly ever asked for",
    "name": "parameter {name} was in none of {of:,.0f} requests",
    "names": "such parameters were hardly ever sent together, in {of:,.0f} requests",
    "missing": "a parameter is missing that {seen:,.0f} of {of:,.0f} requests have",
    "doubled": "a parameter is there twice, as in hardly any of {of:,.0f} requests",
}
VALUES: Final = {
    "shape": "a shape not seen before; {seen:,.0f} of {of:,.0f} values have one that was seen once",
    "chars": "{word} in {seen:,.0f} of {of:,.0f} values",
    "length": "length {length:,} or more, as {seen:,.0f} of {of:,.0f} values",
    "syntax": "reads as {word}, as {seen:,.0f} of {of:,.0f} values do",
}
