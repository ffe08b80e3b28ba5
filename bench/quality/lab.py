"""The traffic lab's days: who finds which attack at which strength and request, and whom else is accused."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from bench.lab import kept
from bench.lab.figures import QUANTILES, Figures, figures
from bench.lab.running import run
from bench.pages import ROOT
from examples.lab.attacks import ATTACKS
from examples.lab.attacks.scene import STRENGTHS
from examples.lab.catalogue import catalogue, uncovered
from examples.lab.lab import Setting

KEPT: Final = ROOT / "docs" / "quality-lab.json"
LEARN_DAYS, SEED = 2, 7
_last: list[Figures] = []


def measure(scale: float = 1.0) -> list[str]:
    """The lines of the section; says what is worse than what was kept."""
    made = judged(Setting(seed=SEED, scale=scale, attacks=tuple(ATTACKS)), LEARN_DAYS)
    _last[:] = [made]
    found_worse = kept.worse(kept.load(KEPT), made)
    print("\n".join(["worse:", *(f"  {each}" for each in found_worse or ["nothing"]), ""]))
    return lines(made, list(ATTACKS))


def keep() -> None:
    """Keeps what was measured last beside the page."""
    kept.keep(KEPT, _last[0])


def judged(setting: Setting, learn_days: int) -> Figures:
    """The figures of so many days that teach, one that is judged without attacks, and one with them."""
    days = Setting(
        seed=setting.seed,
        scale=setting.scale,
        places=setting.places,
        attacks=setting.attacks,
        strengths=setting.strengths,
        days=learn_days + 2,
        quiet_days=learn_days + 1,
    )
    return figures(run(days, learn_days), learn_days, setting.seed, setting.scale)


def lines(made: Figures, attacks: list[str]) -> list[str]:
    """The tables."""
    missing = uncovered(attacks, made["detectors"])
    covered = [attack for attack in attacks if attack not in missing]
    return [
        *_detectors(made, covered),
        "",
        *_attacks(made, covered),
        "",
        _found(made, covered),
        "",
        *_calibration(made),
        "",
        *_incidents(made),
        f"Findings about honest people on the day of the attacks: {made['beside']}.",
        "",
        f"uncovered ({len(missing)} of {len(attacks)} attacks, no detector yet): {', '.join(missing)}.",
        *_besides(made, missing),
    ]


def _detectors(made: Figures, covered: list[str]) -> Iterator[str]:
    yield "| detector | " + " | ".join(STRENGTHS) + " | false in 10,000 | a day | about | noise |"
    yield "|---|" + "---:|" * len(STRENGTHS) + "---:|---:|---|---:|"
    for detector in made["detectors"]:
        asked = [attack for attack in covered if detector in catalogue()[attack].detectors]
        cells = [_share(made, detector, asked, strength) for strength in STRENGTHS]
        false = made["false"][detector]
        ranked = sorted(false["about"].items(), key=lambda one: (-one[1], one[0]))
        about = ", ".join(f"{count} {kind}" for kind, count in ranked) or "nobody"
        yield f"| {detector} | {' | '.join(cells)} | {false['in 10,000']:.2f} | {false['a day']} | {about} | {false['noise']} |"


def _share(made: Figures, detector: str, asked: list[str], strength: str) -> str:
    played = [f"{attack} {strength}" for attack in asked if f"{attack} {strength}" in made["campaigns"]]
    found = sum(detector in made["found"].get(each, {}) for each in played)
    return f"{found} of {len(played)}" if played else "-"


def _attacks(made: Figures, covered: list[str]) -> Iterator[str]:
    yield "| attack | asked of | " + " | ".join(STRENGTHS) + " | shows in spans | in what is asked |"
    yield "|---|---|" + "---|" * len(STRENGTHS) + "---:|---|"
    for attack in covered:
        ours = [each for each in catalogue()[attack].detectors if each in made["detectors"]]
        cells = [_cell(made, ours, f"{attack} {strength}") for strength in STRENGTHS]
        shown = [made["campaigns"].get(f"{attack} {strength}", (0, 0)) for strength in STRENGTHS]
        visible = f"{sum(each[0] for each in shown):,} of {sum(each[1] for each in shown):,}"
        asked = {"weak": "always", "never": "never"}.get(catalogue()[attack].request, f"from {catalogue()[attack].request} on")
        yield f"| {attack} | {', '.join(ours)} | {' | '.join(cells)} | {visible} | {asked} |"


def _found(made: Figures, covered: list[str]) -> str:
    """How many campaigns there were, how many show at all, and how many were found by who was asked."""
    played = {each: counts for each, counts in made["campaigns"].items() if each.partition(" ")[0] in covered}
    found = sum(bool(set(made["found"].get(each, {})) & set(catalogue()[each.partition(" ")[0]].detectors)) for each in played)
    shown = sum(visible > 0 for visible, _ in played.values())
    return f"Campaigns: {len(played)}; of {shown} the spans show what is wrong with them; {found} were found by a detector that was asked."


def _cell(made: Figures, ours: list[str], attack: str) -> str:
    """The first that found it, and at which request; who was not asked stands in brackets."""
    if attack not in made["campaigns"]:
        return ""
    steps = made["found"].get(attack, {})
    of = made["campaigns"][attack][1]
    asked = [(step, detector) for detector, step in steps.items() if detector in ours]
    if asked:
        step, detector = min(asked)
        return f"{step} of {of}" + (f", {detector}" if len(ours) > 1 else "")
    others = sorted((step, detector) for detector, step in steps.items())
    return f"no ({others[0][1]}: {others[0][0]} of {of})" if others else f"no, {of}"


def _calibration(made: Figures) -> Iterator[str]:
    yield "| honest requests | p told | " + " | ".join(f"below {q:g}" for q in QUANTILES) + " |"
    yield "|---|---:|" + "---:|" * len(QUANTILES)
    for detector, told in made["p"].items():
        yield f"| {detector} | {told['told']:,} | " + " | ".join(_rounded(told[f"{q:g}"]) for q in QUANTILES) + " |"


def _rounded(share: float) -> str:
    return "0" if not share or math.isnan(share) else f"{share:.2g}"


def _incidents(made: Figures) -> Iterator[str]:
    told = made["incidents"]
    if told is None:
        return
    campaigns = sum(name in told["found"] for name in made["campaigns"])
    quiet = f"{told['a day']} ({told['in 10,000']:.2f} in 10,000 requests)"
    yield f"Incidents: {told['all']}; {campaigns} of {len(made['campaigns'])} campaigns have one; about scanners: {told['noise']};"
    yield f"false on the day without attacks: {quiet}, on the other: {told['beside']}."
    yield ""


def _besides(made: Figures, missing: list[str]) -> Iterator[str]:
    """Of those that nobody was asked for, which were found all the same."""
    names = [f"{attack} {strength}" for attack in missing for strength in STRENGTHS]
    found = [f"{name} ({', '.join(sorted(made['found'][name]))})" for name in names if name in made["found"]]
    if found:
        yield f"Of these found all the same, by what they do besides: {'; '.join(found)}."
