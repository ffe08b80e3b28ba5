"""Figures from what was said and what is true, in a form that can be kept and compared."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from bench.lab.running import Judged, Known

QUANTILES: Final = (1e-2, 1e-3, 1e-4)
Figures = dict[str, Any]
"""What is kept as JSON: see `figures`."""


def figures(judged: Judged, quiet: int, seed: int, scale: float) -> Figures:
    """All that is kept. `quiet` is the judged day without attacks, from which false alarms are counted.

    found: by attack and strength, by detector: the request of the campaign at which it was shown first.
    campaigns: by attack and strength: requests whose spans show it, requests.
    false: by detector: findings on that day about honest people, a day and in 10,000 requests, and about whom.
    p: by detector: honest requests of whom a p below 1 was told, and the shares of those below each quantile.
    """
    requests = sum(1 for known in judged.truth.values() if known.day == quiet and known.kind != "noise")
    shown = [finding for finding in judged.findings if finding["suppressed"] is None]
    return {
        "seed": seed,
        "scale": scale,
        "requests": requests,
        "detectors": judged.detectors,
        "found": _found(judged, shown),
        "campaigns": _campaigns(judged),
        "false": {detector: _false(judged.truth, shown, detector, quiet, requests) for detector in judged.detectors},
        "beside": _beside(judged.truth, shown, quiet),
        "p": {detector: _calibration(judged.scores.get(detector, {})) for detector in judged.detectors},
        "incidents": incidents(judged, quiet, requests),
    }


def _found(judged: Judged, shown: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for finding in shown:
        known = judged.truth.get(finding["trace_id"])
        if known and known.attack:
            steps = found.setdefault(f"{known.attack} {known.strength}", {})
            steps[finding["detector"]] = min(known.step, steps.get(finding["detector"], known.step))
    return dict(sorted(found.items()))


def _campaigns(judged: Judged) -> dict[str, tuple[int, int]]:
    named = {known.campaign: f"{known.attack} {known.strength}" for known in judged.truth.values() if known.attack}
    return {named[campaign]: counts for campaign, counts in sorted(judged.visible.items())}


def _false(truth: Mapping[str, Known], shown: list[dict[str, Any]], detector: str, quiet: int, requests: int) -> Figures:
    about = Counter(
        known.kind
        for finding in shown
        if finding["detector"] == detector and (known := truth.get(finding["trace_id"])) and known.day == quiet and not known.attack
    )
    noise = about.pop("noise", 0)
    total = sum(about.values())
    return {"a day": total, "in 10,000": round(1e4 * total / max(1, requests), 3), "about": dict(about.most_common()), "noise": noise}


def _beside(truth: Mapping[str, Known], shown: list[dict[str, Any]], quiet: int) -> int:
    """Findings about honest people on the day of the attacks."""
    known = [truth[finding["trace_id"]] for finding in shown if finding["trace_id"] in truth]
    return sum(1 for each in known if each.day != quiet and not each.attack and each.kind != "noise")


def _calibration(scores: Mapping[float, int]) -> Figures:
    told = sum(scores.values())
    under = {f"{q:g}": sum(count for score, count in scores.items() if score > -math.log10(q) / 12) for q in QUANTILES}
    return {"told": told, **{q: float(f"{count / told:.3g}") if told else 0.0 for q, count in under.items()}}


def incidents(judged: Judged, quiet: int, requests: int) -> Figures | None:
    """Incidents by what they are about; None where replay tells of none and counts none."""
    if not judged.incidents and "incidents" not in judged.summary:
        return None
    traces = {finding["id"]: finding["trace_id"] for finding in judged.findings}
    members: dict[str, list[Known]] = {}
    steps: dict[str, int] = {}
    for line in judged.incidents:
        known = [judged.truth[traces[id]] for id in line["findings"] if traces.get(id) in judged.truth]
        first = line["id"] not in members
        members.setdefault(line["id"], []).extend(known)
        for each in known if first else ():
            if each.attack:
                name = f"{each.attack} {each.strength}"
                steps[name] = min(steps.get(name, 10**9), max(one.step for one in known if one.campaign == each.campaign))
    return {"found": dict(sorted(steps.items())), **_about(members, quiet, requests)}


def _about(members: Mapping[str, list[Known]], quiet: int, requests: int) -> Figures:
    false = [known for known in members.values() if known and not any(each.attack for each in known)]
    noise = sum(all(each.kind == "noise" for each in known) for known in false)
    honest = [known for known in false if not all(each.kind == "noise" for each in known)]
    today = sum(known[0].day == quiet for known in honest)
    return {
        "all": len(members),
        "noise": noise,
        "a day": today,
        "in 10,000": round(1e4 * today / max(1, requests), 3),
        "beside": len(honest) - today,
    }
