"""The catalogue of attacks as data: what each is, which detectors should find it, where it shows."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import yaml

from examples.lab.attacks import ATTACKS

FILE: Final = Path(__file__).parent / "catalogue.yaml"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One attack, see the head of the file."""

    what: str
    detectors: tuple[str, ...]
    spans: str
    request: str


@cache
def catalogue() -> dict[str, Entry]:
    """All attacks by id."""
    told = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {id: Entry(**{**entry, "detectors": tuple(entry["detectors"])}) for id, entry in told.items()}


def uncovered(attacks: Iterable[str], detectors: Collection[str]) -> list[str]:
    """Attacks that none of the detectors should find."""
    return [id for id in attacks if not set(catalogue()[id].detectors) & set(detectors)]


def chosen(words: str) -> tuple[str, ...]:
    """Ids that a list names: `all`, `none`, ids and families by their first word, with commas between. ValueError names what is unknown."""
    if words in ("all", "none"):
        return tuple(ATTACKS) if words == "all" else ()
    found: dict[str, None] = {}
    for word in filter(None, (each.strip() for each in words.split(","))):
        fit = [id for id in ATTACKS if id == word or id.startswith(f"{word}.")]
        if not fit:
            families = sorted({id.partition(".")[0] for id in ATTACKS})
            raise ValueError(f"no attack {word!r}; there are all, none, {', '.join(families)}, or one id of them such as bola.walk")
        found |= dict.fromkeys(fit)
    return tuple(found)
