"""Incidents of a replay over the real pipeline: their lines, where they stand, and what does not change them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from tests.otlp import call, request, stored
from tests.replayed import Run, lines, summary

from apisec_otel.builtin import known
from apisec_otel.cli import replaying
from apisec_otel.cli.options import packaged
from apisec_otel.cli.replay import replay
from apisec_otel.cli.replay_engine import engine_of
from apisec_otel.config import read

LEAK = [
    call(number, path, at=number, status=status, user=None, client="203.0.113.7", route=None)
    for number, (path, status) in enumerate(
        [*((f"/x{i}/.env", 404) for i in range(8)), ("/.env", 200), ("/.git/config", 404), ("/wp-login.php", 404)], start=1
    )
]
"""A scanner is refused, is given one file, and is refused again."""


def everyday(first: int, count: int, *, at: float = 0, every: float = 2) -> list[Any]:
    """Customers who read what is theirs."""
    who = [{"user": f"user{at}", "client": f"198.51.100.{at}"} for at in range(40)]
    return [call(first + i, f"/orders/{i % 40}", at=at + i * every, **who[i % 40]) for i in range(count)]


def guessing(first: int, *, at: float, count: int = 60) -> list[Any]:
    """One client guesses at a login, for 20 minutes."""
    told = {"route": "/login", "method": "POST", "status": 401, "user": None, "client": "192.0.2.66"}
    return [call(first + i, "/login", at=at + 20 * i, **told) for i in range(count)]


def walking(first: int, *, at: float, count: int = 60) -> list[Any]:
    """One principal goes through the objects in their order."""
    return [call(first + i, f"/orders/{5000 + i}", at=at + i, user="mallory", client="192.0.2.67") for i in range(count)]


def files(tmp_path: Path, *calls: Any, size: int = 1, name: str = "f") -> str:
    return stored(tmp_path / name, *(request(*calls[at : at + size]) for at in range(0, len(calls), size)))


def test_what_was_given_out_is_an_incident_behind_its_requests(run: Run, tmp_path: Path) -> None:
    _, out, _ = run(files(tmp_path, *everyday(1000, 30), *LEAK))
    told = lines(out, "incident")
    assert [(each["state"], each["severity"]) for each in told] == [("open", "critical")]
    findings = {each["id"]: each for each in lines(out, "finding")}
    assert {findings[id]["detector"] for id in told[0]["findings"]} >= {"scan_honeypath"}
    everything = [json.loads(line) for line in out.splitlines()]
    place = next(at for at, line in enumerate(everything) if line["type"] == "incident")
    assert all(line["time"] <= told[0]["time"] for line in everything[:place] if line["type"] == "request")
    assert set(told[0]["findings"]) <= {line["id"] for line in everything[:place] if line["type"] == "finding"}
    assert (summary(out)["incidents"], summary(out)["suppressed"]["budget"]) == (1, 0)


def test_refused_scanning_is_one_finding_on_no_request(run: Run, tmp_path: Path) -> None:
    refused = [call(n, f"/secret{n}/.env", at=n, status=404, user=None, route=None) for n in range(1, 200)]
    _, out, _ = run(files(tmp_path, *refused))
    (daily,) = [each for each in lines(out, "finding") if each["detector"] == "background_scanning"]
    assert (daily["severity"], daily["trace_id"], daily["session"]) == ("info", None, None)
    assert lines(out, "incident") == []
    assert summary(out)["incidents"] == 0
    assert summary(out)["findings"]["info"] >= 1


def test_guessing_that_goes_on_is_an_incident(run: Run, tmp_path: Path) -> None:
    _, out, _ = run(files(tmp_path, *guessing(100, at=0), *everyday(1000, 60, at=0)))
    assert [each["state"] for each in lines(out, "incident")] == ["open"]
    assert summary(out)["incidents"] == 1


def test_an_incident_closes_in_a_long_recording(run: Run, tmp_path: Path) -> None:
    _, out, _ = run(files(tmp_path, *guessing(100, at=0), *everyday(1000, 100, at=100, every=60)))
    told = lines(out, "incident")
    assert [told[0]["state"], told[-1]["state"]] == ["open", "closed"]
    assert len({each["id"] for each in told}) == 1


def test_the_budget_is_told_in_the_summary(run: Run, tmp_path: Path) -> None:
    _, out, _ = run(files(tmp_path, *guessing(100, at=0), *everyday(1000, 60)), settings=["processors::decide::budget=0/day"])
    assert lines(out, "incident") == []
    assert (summary(out)["incidents"], summary(out)["suppressed"]["budget"]) == (0, 1)


@pytest.mark.parametrize("together", [1, 3, 1000])
def test_no_grouping_of_requests_changes_a_byte(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: int) -> None:
    calls = sorted([*guessing(100, at=30), *walking(300, at=50), *everyday(1000, 200), *LEAK], key=lambda span: span.start_time_unix_nano)
    whole = run(files(tmp_path, *calls))[1]
    assert {each["state"] for each in lines(whole, "incident")} >= {"open"}
    monkeypatch.setattr(replaying, "BATCH_RECORDS", together)
    assert run(files(tmp_path, *calls, size=1))[1] == whole
    assert lines(run(files(tmp_path, *calls, size=7))[1], "incident") == lines(whole, "incident")


def test_duplicates_change_no_incident(run: Run, tmp_path: Path) -> None:
    calls = sorted([*guessing(100, at=30), *everyday(1000, 200), *LEAK], key=lambda span: span.start_time_unix_nano)
    once = files(tmp_path, *calls, size=5)
    twice = stored(tmp_path / "twice", *(request(*calls[at : at + 5]) for at in range(0, len(calls), 5) for _ in range(2)))
    assert lines(run(twice)[1], "incident") == lines(run(once)[1], "incident") != []


@pytest.mark.parametrize("seed", range(4))
def test_order_within_six_seconds_is_no_matter_to_what_is_judged_in_order(run: Run, tmp_path: Path, seed: int) -> None:
    """Only a detector of Step rows runs; each request is up to 5.9 s late."""
    others = set(known("detectors")) - {"bola_walk"}  # a session's own id is that of whichever request came first
    settings = [f"processors::detect::detectors::{id}::mode=off" for id in sorted(others)]
    calls = sorted([*walking(300, at=30), *everyday(1000, 200)], key=lambda span: span.start_time_unix_nano)
    dice = random.Random(seed)
    late = sorted(calls, key=lambda span: span.start_time_unix_nano + dice.uniform(0, 5.9e9))
    assert late != calls
    told = lines(run(files(tmp_path, *calls), settings=settings)[1], "incident")
    assert told != []
    assert lines(run(files(tmp_path, *late, name="late"), settings=settings)[1], "incident") == told


def test_the_report_tells_incidents_first_as_stories(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    engine = engine_of(read([str(packaged("replay"))], []))
    replay(engine, [files(tmp_path, *everyday(1000, 30), *LEAK)], form="text", learn=[], out=None, fail_on=None)
    out = capfd.readouterr().out
    assert out.index("Incidents") < out.index("CRITICAL") < out.index("First sign at 2026-01-01 00:00:01") < out.index("Findings")


def test_out_has_the_log_record_of_each_change(run: Run, tmp_path: Path) -> None:
    _, out, _ = run(files(tmp_path, *everyday(1000, 30), *LEAK), out=tmp_path / "out")
    records = [
        record
        for line in (tmp_path / "out" / "findings.jsonl").read_text().splitlines()
        for resource in json.loads(line)["resourceLogs"]
        for scope in resource["scopeLogs"]
        for record in scope["logRecords"]
        if record["eventName"] == "apisec.incident"
    ]
    ids = [next(a["value"]["stringValue"] for a in each["attributes"] if a["key"] == "apisec.incident.id") for each in records]
    assert ids == [each["id"] for each in lines(out, "incident")]
