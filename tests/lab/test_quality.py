"""The lab's section of the quality command: what is counted as found, as false and as worse."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from bench.lab import kept
from bench.lab.figures import Figures, figures
from bench.lab.running import Judged, Known
from bench.quality import lab
from examples.lab.attacks import ATTACKS
from examples.lab.lab import Setting

SMALL = Setting(scale=0.01, attacks=("auth.bruteforce", "bola.walk", "dep.redirect"), places=("bank",))
FEW = list(SMALL.attacks)
BRUTE, WALK = "auth.bruteforce", "bola.walk"


def test_a_small_run_finds_loud_attacks_at_a_request_of_theirs_and_names_what_nobody_covers() -> None:
    small = lab.judged(SMALL, 1)
    for attack, detector in ((BRUTE, "auth_bruteforce"), (WALK, "bola_walk")):
        for strength in ("medium", "strong"):
            step = small["found"][f"{attack} {strength}"][detector]
            assert 1 < step <= small["campaigns"][f"{attack} {strength}"][1]
    assert len(small["campaigns"]) == 13
    assert small["requests"] > 300
    row = next(line for line in lab.lines(small, FEW) if line.startswith(f"| {BRUTE} "))
    assert f"| {small['found'][f'{BRUTE} strong']['auth_bruteforce']} of 120 |" in row
    assert "| no, " in row
    said = lab.lines(small, FEW)
    assert any(line.startswith("uncovered (1 of 3 attacks") and line.endswith(": dep.redirect.") for line in said)
    assert not any(line.startswith("| dep.redirect") for line in said)


QUIET, BUSY = 2, 3
TRUTH = {
    "a": Known(QUIET, "shopper"),
    "n": Known(QUIET, "noise"),
    "w1": Known(BUSY, "attacker", "walk", WALK, "weak", 4),
    "w2": Known(BUSY, "attacker", "walk", WALK, "weak", 9),
    "b": Known(BUSY, "shopper"),
}


def found(id: str, trace: str, suppressed: str | None = None) -> dict[str, Any]:
    return {"id": id, "trace_id": trace, "detector": "bola_walk", "suppressed": suppressed}


def judged(*findings: dict[str, Any], incidents: list[dict[str, Any]] | None = None) -> Judged:
    made = Judged(dict(TRUTH), {"walk": (9, 9)}, detectors=["bola_walk"], findings=list(findings), incidents=incidents or [])
    made.scores = {"bola_walk": {0.1: 6, 0.2: 3, 0.3: 1}}
    return made


def test_findings_are_told_apart_by_whom_they_are_about() -> None:
    made = figures(judged(found("1", "a"), found("2", "n"), found("3", "w2"), found("4", "w1", "dedup"), found("5", "b")), QUIET, 7, 1.0)
    assert made["found"] == {f"{WALK} weak": {"bola_walk": 9}}
    assert made["false"]["bola_walk"] == {"a day": 1, "in 10,000": 10_000.0, "about": {"shopper": 1}, "noise": 1}
    assert made["beside"] == 1
    assert made["p"]["bola_walk"] == {"told": 10, "0.01": 0.4, "0.001": 0.1, "0.0001": 0.0}


def test_incidents_count_by_their_findings_where_replay_tells_of_them() -> None:
    findings = [found("1", "a"), found("2", "n"), found("3", "w2"), found("4", "w1"), found("5", "b")]
    assert figures(judged(*findings), QUIET, 7, 1.0)["incidents"] is None
    lines = [
        {"type": "incident", "id": "x", "state": "open", "findings": ["4"]},
        {"type": "incident", "id": "x", "state": "updated", "findings": ["4", "3", "5"]},
        {"type": "incident", "id": "y", "state": "open", "findings": ["1"]},
        {"type": "incident", "id": "z", "state": "open", "findings": ["2"]},
        {"type": "incident", "id": "u", "state": "open", "findings": ["5"]},
    ]
    made = figures(judged(*findings, incidents=lines), QUIET, 7, 1.0)
    assert made["incidents"] == {"found": {f"{WALK} weak": 4}, "all": 4, "noise": 1, "a day": 1, "in 10,000": 10_000.0, "beside": 1}
    assert any(line.startswith("Incidents: 4; 1 of 1 campaigns have one; about scanners: 1;") for line in lab.lines(made, FEW))


def test_a_replay_without_incidents_that_counts_them_says_none() -> None:
    made = judged()
    made.summary = {"incidents": 0}
    assert figures(made, QUIET, 7, 1.0)["incidents"]["all"] == 0


@pytest.fixture
def before() -> Figures:
    return figures(judged(found("1", "a"), found("3", "w2"), found("4", "w1"), found("5", "b")), QUIET, 7, 1.0)


def test_figures_that_are_kept_are_read_again_as_they_were(before: Figures, tmp_path: Path) -> None:
    kept.keep(tmp_path / "kept.json", before)
    assert kept.load(tmp_path / "kept.json") == json.loads(json.dumps(before))
    assert kept.load(tmp_path / "none.json") is None


def test_what_got_worse_is_named_and_nothing_else(before: Figures) -> None:
    assert kept.worse(before, before) == []
    assert kept.worse(None, before) == []
    later, gone = copy.deepcopy(before), copy.deepcopy(before)
    later["found"][f"{WALK} weak"]["bola_walk"] = 6
    later["false"]["bola_walk"]["a day"] = 3
    later["beside"] = 2
    later["p"]["bola_walk"]["0.0001"] = 0.01
    assert kept.worse(before, later) == [
        f"{WALK} weak: bola_walk found it at request 4, now at 6",
        "bola_walk: 3 false findings a day, 1 before",
        "2 findings about honest people on the day of the attacks, 1 before",
        "bola_walk: 0.01 of honest p below 0.0001, 0 before",
    ]
    gone["found"] = {}
    assert kept.worse(before, gone) == [f"{WALK} weak: bola_walk found it at request 4 and does not any more"]
    assert kept.worse(later, before) == []
    assert kept.worse({**before, "scale": 0.5}, later) == []


def test_incidents_that_come_later_or_about_more_people_are_worse(before: Figures) -> None:
    was, now = copy.deepcopy(before), copy.deepcopy(before)
    was["incidents"] = {"found": {"a": 3, "b": 2}, "a day": 0}
    now["incidents"] = {"found": {"a": 5}, "a day": 1}
    assert kept.worse(was, now) == [
        "a: an incident found it at request 3, now at 5",
        "b: an incident found it at request 2 and does not any more",
        "1 false incidents a day, 0 before",
    ]
    assert kept.worse(before, now) == []


def test_the_page_has_the_figures_that_are_kept() -> None:
    page, held = (Path(lab.ROOT) / "docs" / "quality.md").read_text(encoding="utf-8"), kept.load(lab.KEPT)
    assert held is not None
    part = page.partition("<!-- lab -->\n")[2].partition("<!-- end -->")[0]
    assert part == "\n".join(lab.lines(held, list(ATTACKS))) + "\n", "run `make quality ARGS=lab`"
