"""Overrides, allowed callers and trials over the whole pipeline: what replay prints of them, who is whom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.otlp import call, request, span, stored
from tests.replayed import Run, lines, summary

from apisec_otel.cli.judged import Summary
from apisec_otel.cli.options import packaged
from apisec_otel.cli.replay import replay
from apisec_otel.cli.replay_engine import engine_of
from apisec_otel.config import read
from apisec_otel.testing.built import Built

BOLA = "processors::detect::detectors::bola_enumeration::mode=shadow"


def tuned(**decide: Any) -> list[str]:
    return [f"processors::decide={json.dumps(decide)}"]


def reader(number: int, *, objects: int = 25, at: float = 0, **more: Any) -> list[bytes]:
    """One user reads so many objects of one endpoint, not in order, a second each."""
    order = [(7 * each) % 101 for each in range(1, objects + 1)]
    return [request(call(number + each, f"/orders/{object}", at=at + each, **more)) for each, object in enumerate(order)]


@pytest.fixture
def bola(run: Run, tmp_path: Path) -> Any:
    """Causes of the findings of bola_enumeration, in order, and all that was printed."""

    def bola(requests: list[bytes], *settings: str) -> tuple[list[str | None], str]:
        _, out, _ = run(stored(tmp_path / "traces.pb", *requests), settings=settings)
        return [each["suppressed"] for each in lines(out, "finding") if each["detector"] == "bola_enumeration"], out

    return bola


@pytest.mark.parametrize(
    ("where", "cause"),
    [
        ({"endpoint": "shop GET /orders/{id}"}, "allowlist"),
        ({"endpoint": "shop GET /orders"}, None),
        ({"endpoint": "shop * /orders*", "service": "shop"}, "allowlist"),
        ({"client": "203.0.113.0/24"}, "allowlist"),
        ({"client": ["198.51.100.0/24", "203.0.113.7"]}, "allowlist"),
        ({"client": "198.51.100.0/24"}, None),
        ({"user_agent": "*Detectify*"}, "allowlist"),
        ({"detectors": "scan_probing", "service": "shop"}, None),
    ],
)
def test_callers_are_allowed_by_what_findings_say_of_them(bola: Any, where: dict[str, Any], cause: str | None) -> None:
    causes, _ = bola(reader(1, agent="Mozilla Detectify/1"), *tuned(allow=[{**where, "reason": "x"}]))
    assert causes[0] == cause


def test_a_principal_is_allowed_by_the_hash_that_its_findings_have(bola: Any) -> None:
    _, out = bola(reader(1))
    entity = lines(out, "finding")[0]["entity"]
    assert entity["type"] == "principal"
    causes, _ = bola([*reader(1), *reader(100, user="bob", at=60)], *tuned(allow=[{"principal": entity["id"], "reason": "export"}]))
    assert set(causes[:5]) == {"allowlist"}
    assert causes[5] is None


@pytest.mark.parametrize(("listed", "cause"), [("198.51.100.0/24", "allowlist"), ("203.0.113.0/24", None)])
def test_nobody_is_allowed_for_the_address_that_he_claims(bola: Any, listed: str, cause: str | None) -> None:
    """The peer is no trusted proxy, so what it forwards is a claim."""
    said = {"network.peer.address": "198.51.100.1", "client.address": "203.0.113.7", "http.request.header.x-forwarded-for": ["203.0.113.7"]}
    base = {"http.request.method": "GET", "http.route": "/orders/{id}", "http.response.status_code": 200, "user.id": "ann", **said}
    requests = [request(span(n, {**base, "url.path": f"/orders/{7 * n % 101}"}, at=n)) for n in range(1, 26)]
    causes, _ = bola(requests, *tuned(allow=[{"client": listed, "reason": "office"}]))
    assert causes[0] == cause


def test_a_step_detector_is_overridden_like_any_other(run: Run, tmp_path: Path) -> None:
    walk = [request(call(n, f"/orders/{n}", at=n)) for n in range(1, 40)]
    override = {"detectors": "bola_walk", "client": "203.0.113.0/24", "severity": "critical"}
    _, out, _ = run(stored(tmp_path / "t.pb", *walk), settings=tuned(overrides=[override]))
    assert {each["severity"] for each in lines(out, "finding") if each["detector"] == "bola_walk"} == {"critical"}


def test_what_is_off_for_some_is_told_of_nowhere(bola: Any, tmp_path: Path) -> None:
    causes, out = bola(reader(1), *tuned(overrides=[{"detectors": "bola_enumeration", "service": "shop", "mode": "off"}]))
    assert causes == []
    assert {each["detector"] for each in lines(out, "finding")} == {"session_evidence"}


def test_trials_are_told_with_the_rates_they_would_have(bola: Any) -> None:
    """25 and 25 requests in half a day: two findings, though there are ten signals."""
    causes, out = bola([*reader(1), *reader(100, user="bob", at=43_175)], BOLA)
    assert causes == ["shadow"] * 10
    said = summary(out)
    assert said["suppressed"]["shadow"] == 10
    assert said["shadow"]["bola_enumeration"] == {"findings": 2, "per_day": pytest.approx(4, rel=0.01), "per_10000_requests": 400.0}


def test_a_detector_on_trial_that_found_nothing_is_told_too(bola: Any) -> None:
    _, out = bola(reader(1, objects=3), BOLA)
    assert summary(out)["shadow"]["bola_enumeration"]["findings"] == 0


def test_rates_of_no_time_and_no_requests_are_not_made_up() -> None:
    nothing = Summary(on_trial=frozenset({"x"}))
    assert nothing.shadow() == {"x": {"findings": 0, "per_day": None, "per_10000_requests": None}}


@pytest.fixture
def report(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Any:
    def report(requests: list[bytes], *settings: str, learn: list[bytes] | None = None) -> str:
        engine = engine_of(read([str(packaged("replay"))], settings))
        first = [stored(tmp_path / "learn.pb", *learn)] if learn else []
        replay(engine, [stored(tmp_path / "t.pb", *requests)], form="text", learn=first, out=None, fail_on=None)
        return capfd.readouterr().out

    return report


def test_the_report_tells_which_lines_never_applied_and_which_have_expired(report: Any) -> None:
    allow = [
        {"detectors": "bola_enumeration", "client": "203.0.113.0/24", "reason": "the office", "until": "2026-12-31"},
        {"service": "bank", "reason": "no such service"},
        {"service": "shop", "reason": "pentest of 2025", "until": "2025-06-30"},
    ]
    out = report(reader(1), *tuned(allow=allow, overrides=[{"detectors": "bola_enumeration", "severity": "low", "reason": "calm"}]))
    assert "        5  override 1: calm\n" in out
    assert "        5  allow 1: the office; until 2026-12-31\n" in out
    assert "    never  allow 2: no such service\n" in out
    assert "    never  allow 3: pentest of 2025; expired: it held until 2025-06-30\n" in out


def test_what_only_teaches_counts_for_no_line(report: Any) -> None:
    out = report(
        reader(1000, at=7200), *tuned(allow=[{"detectors": "bola_enumeration", "service": "shop", "reason": "x"}]), learn=reader(1)
    )
    assert "        5  allow 1: x\n" in out


def test_the_report_tells_of_trials(report: Any) -> None:
    out = report(reader(1), BOLA)
    assert "On trial" in out
    assert [line.split()[:2] for line in out.splitlines() if line.startswith("bola_enumeration ")] == [["bola_enumeration", "1"]]
    assert "On trial" not in report(reader(1))


def test_state_that_was_kept_goes_on_with_the_policy() -> None:
    config = read([str(packaged("replay"))], [BOLA])
    first, second = Built(config), Built(config)
    requests = reader(1)
    trials = [each.trial for one in requests[:22] for each in first.take(one).findings if each.detector == "bola_enumeration"]
    for name, part in second.parts().items():
        part.restore(list(first.parts()[name].snapshot()))
    trials += [each.trial for one in requests[22:] for each in second.take(one).findings if each.detector == "bola_enumeration"]
    assert trials == [True, False, False, False, False]
