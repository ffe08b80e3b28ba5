"""The last figures that were kept, and what is worse than they."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.lab.figures import QUANTILES, Figures


def load(path: Path) -> Figures | None:
    """The figures of a file; None where there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def keep(path: Path, made: Figures) -> None:
    """Writes them, one fact a line, so that a change reads as one."""
    path.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def worse(before: Figures | None, now: Figures) -> list[str]:
    """What got worse, in words; nothing where there is nothing to compare with or it was measured otherwise."""
    if before is None or any(before[each] != now[each] for each in ("seed", "scale")):
        return []
    return [*_missed(before, now), *_louder(before, now), *_looser(before, now), *_incidents(before["incidents"], now["incidents"])]


def _missed(before: Figures, now: Figures) -> Iterator[str]:
    for attack, steps in before["found"].items():
        found = now["found"].get(attack, {})
        for detector, step in steps.items():
            yield from _later(f"{attack}: {detector}", step, found.get(detector))


def _later(what: str, before: int, now: int | None) -> Iterator[str]:
    if now is None:
        yield f"{what} found it at request {before} and does not any more"
    elif now > before:
        yield f"{what} found it at request {before}, now at {now}"


def _louder(before: Figures, now: Figures) -> Iterator[str]:
    for detector, figures in now["false"].items():
        was = before["false"].get(detector, {"a day": 0})["a day"]
        if figures["a day"] > was:
            yield f"{detector}: {figures['a day']} false findings a day, {was} before"
    if now["beside"] > before["beside"]:
        yield f"{now['beside']} findings about honest people on the day of the attacks, {before['beside']} before"


def _looser(before: Figures, now: Figures) -> Iterator[str]:
    """Past what was asked for only: a share of 0.002 below 0.01 is no worse than one of 0.001."""
    for detector, figures in now["p"].items():
        for q in QUANTILES:
            was = before["p"].get(detector, {}).get(f"{q:g}", 0.0)
            if figures[f"{q:g}"] > max(q, 1.05 * was):
                yield f"{detector}: {figures[f'{q:g}']:.2g} of honest p below {q:g}, {was:.2g} before"


def _incidents(before: dict[str, Any] | None, now: dict[str, Any] | None) -> Iterator[str]:
    if before is None or now is None:
        return
    for attack, step in before["found"].items():
        yield from _later(f"{attack}: an incident", step, now["found"].get(attack))
    if now["a day"] > before["a day"]:
        yield f"{now['a day']} false incidents a day, {before['a day']} before"
