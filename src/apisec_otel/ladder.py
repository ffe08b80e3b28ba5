"""Ladders of identity: in which places to look for who calls, the first that says something wins."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["word", "attribute", "jwt", "header", "cookie"]

NAMES: Final[dict[Kind, re.Pattern[str]]] = {
    "attribute": re.compile(r"[^\s:]+"),
    "header": re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII),
    "cookie": re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII),
    "jwt": re.compile(r"[^\s,]+"),
}
"""What may be named: an attribute, a header or cookie (a token of RFC 9110), a claim."""
FORMS: Final[dict[Kind, str]] = {
    "attribute": "an attribute such as user.id",
    "jwt": "jwt:sub",
    "header": "header:NAME",
    "cookie": "cookie:NAME",
}
PREFIXES: Final[dict[str, Kind]] = {"jwt": "jwt", "header": "header", "cookie": "cookie"}
PRINCIPAL: Final[dict[Kind, int]] = {"attribute": 0, "jwt": 1, "header": 2, "word": 2, "cookie": 2}
"""Kinds of rungs of a principal, and where each stands: what the application says, what a token claims, what was presented."""
SESSION: Final[dict[Kind, int]] = {"attribute": 0, "header": 0, "cookie": 0, "word": 0}
"""Kinds of rungs of a session, in any order."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One place: an attribute, a header, a cookie, a claim of the bearer token, or a word that stands for others."""

    kind: Kind
    name: str


def principal_ladder(rungs: Iterable[str]) -> list[Rung]:
    """The rungs of `sessions::principal`. ValueError says which is none, or stands where it cannot, and what may be written."""
    ladder = [_rung("principal", each, PRINCIPAL, ("credential",)) for each in rungs]
    places = [PRINCIPAL[rung.kind] for rung in ladder]
    if places != sorted(places):
        raise ValueError("principal: attributes come first, then jwt:sub, then header:NAME and cookie:NAME")
    return ladder


def session_ladder(rungs: Iterable[str]) -> list[Rung]:
    """The rungs of `sessions::session`. ValueError says which is none, and what may be written."""
    return [_rung("session", each, SESSION, ("principal", "client")) for each in rungs]


def _rung(ladder: str, text: str, kinds: Collection[Kind], words: Collection[str]) -> Rung:
    prefix, colon, name = text.partition(":")
    rung = Rung("word", text) if text in words else Rung("attribute", text)
    if colon and prefix in PREFIXES:
        rung = Rung(PREFIXES[prefix], name)
    bare = rung.kind == "attribute" and text in (*PREFIXES, "client", "principal", "credential")
    pattern = NAMES.get(rung.kind)
    if bare or rung.kind not in kinds or (pattern and not pattern.fullmatch(rung.name)):
        forms = [FORMS[kind] for kind in FORMS if kind in kinds] + [word for word in words if word != "credential"]
        raise ValueError(f"{ladder}: {text!r} is no rung of this ladder; write {', '.join(forms[:-1])} or {forms[-1]}")
    return rung
