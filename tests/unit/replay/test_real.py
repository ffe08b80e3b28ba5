"""Replay over the real pipeline: time that goes back, teaching, detectors on trial, sessions, and what is equal however it is cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.otlp import call, request, span, stored
from tests.replayed import Run, lines, summary

from apisec_otel.cli import replaying

DATA = Path(__file__).parent / "data"
CAPTURED = [str(DATA / name) for name in ("vampi_attack_sqlmap.otlp.jsonl.gz", "vampi_newhttp.jsonl.gz")]
HOUR = 3600.0
KEYS = {
    "request": "type time trace_id span_id merged session endpoint score detectors learning",
    "finding": "type id time detector severity trace_id span_id evidence_span_id session score reason suppressed",
    "session": "type session first_time last_time requests score",
    "incident": "type id time state severity findings",
    "summary": "type spans requests sessions findings incidents suppressed decode_errors late evicted seconds",
}


def enumerated(out: str) -> list[dict[str, Any]]:
    """What is raised on the request as it arrives."""
    return [finding for finding in lines(out, "finding") if finding["detector"] == "bola_enumeration"]


def walk(first: int, count: int, *, at: float = 0, user: str = "mallory", every: float = 1) -> list[bytes]:
    """One principal reads one object after the other, ten calls a request."""
    calls = [call(first + i, f"/orders/{first + i}", at=at + i * every, user=user) for i in range(count)]
    return [request(*calls[i : i + 10]) for i in range(0, count, 10)]


def crowd(first: int, *, at: float) -> list[bytes]:
    """Thirty principals read five objects each, over 150 seconds."""
    return [request(*(call(first + i, f"/orders/{i}", at=at + i, user=f"user{i % 30}") for i in range(150)))]


def test_a_file_that_begins_in_the_past_begins_anew_and_keeps_the_baselines(run: Run, tmp_path: Path) -> None:
    later = stored(tmp_path / "later", *crowd(1000, at=2 * HOUR))
    earlier = stored(tmp_path / "earlier", *walk(1, 30))
    code, out, _ = run(later, earlier)
    told = summary(out)
    assert (code, told["requests"], told["late"], told["sessions"]) == (0, 180, 0, 31)
    assert [line["learning"] for line in lines(out, "request")] == [True] * 150 + [False] * 30, "the crowd's windows have closed"
    reasons = [finding["reason"] for finding in enumerated(out)]
    assert len(reasons) == 10
    assert "what 999 of 1,000 others stay at or under: 5" in reasons[0]


def test_files_in_order_and_a_long_call_at_the_beginning_of_one_do_not(run: Run, tmp_path: Path) -> None:
    first = stored(tmp_path / "first", *walk(1, 20))
    second = stored(tmp_path / "second", request(call(900, at=-HOUR, took=HOUR + 20, user="bob")), *walk(21, 20, at=20))
    _, out, _ = run(first, second)
    assert (summary(out)["late"], summary(out)["sessions"]) == (1, 1)
    assert [line["session"] for line in lines(out, "request") if line["span_id"].endswith("0384")] == [None], "late, and in no open session"
    assert len(enumerated(out)) == 20, "both files are one walk"


def test_time_that_goes_back_inside_a_file_is_late(run: Run, tmp_path: Path) -> None:
    _, out, _ = run(stored(tmp_path / "f", *walk(1, 10, at=HOUR), *walk(11, 30)))
    told = summary(out)
    assert (told["requests"], told["late"]) == (40, 30)
    assert lines(out, "finding") == [], "late requests are judged and not counted"
    assert {line["session"] for line in lines(out, "request")} == {lines(out, "session")[0]["session"]}, "its session is still open"


def test_what_was_learned_from_prints_when_it_is_replayed(run: Run, tmp_path: Path) -> None:
    files = [stored(tmp_path / "usual", *crowd(1, at=0)), stored(tmp_path / "attack", *walk(1000, 30, at=10))]
    _, alone, _ = run(*files)
    _, taught, _ = run(*files, learn=[files[0]])
    assert [line["span_id"] for line in lines(taught, "request")] == [line["span_id"] for line in lines(alone, "request")]
    assert len(lines(taught, "request")) == 180
    assert all(line["learning"] for line in lines(alone, "request"))
    assert not any(line["learning"] for line in lines(taught, "request"))
    assert summary(taught)["sessions"] == summary(alone)["sessions"] == 31


def test_a_repeated_span_gives_no_line(run: Run, tmp_path: Path) -> None:
    _, out, _ = run(stored(tmp_path / "f", *walk(1, 30), *walk(1, 30)))
    assert (summary(out)["spans"], summary(out)["requests"], len(lines(out, "request")), len(enumerated(out))) == (60, 30, 30, 10)
    assert [session["requests"] for session in lines(out, "session")] == [30]


def test_a_detector_on_trial_is_told_and_changes_nothing(run: Run, tmp_path: Path) -> None:
    file = stored(tmp_path / "f", *walk(1, 30))
    others = ("bola_walk", "request_anomaly", "session_conduct", "session_evidence")
    alone = [f"processors::detect::detectors::{each}::mode=off" for each in others]
    trial = ["processors::detect::detectors::bola_enumeration::mode=shadow", *alone]
    code, out, _ = run(file, out=tmp_path / "trial", settings=trial, fail_on="info")
    _, off, _ = run(file, out=tmp_path / "off", settings=["processors::detect::detectors::bola_enumeration::mode=off", *alone])
    assert code == 0
    assert [finding["suppressed"] for finding in lines(out, "finding")] == ["shadow"] * 10
    assert summary(out)["suppressed"] == {"dedup": 0, "budget": 0, "shadow": 10, "allowlist": 0}
    assert sum(summary(out)["findings"].values()) == 0
    assert (tmp_path / "trial" / "traces.jsonl").read_bytes() == (tmp_path / "off" / "traces.jsonl").read_bytes()
    assert not (tmp_path / "trial" / "findings.jsonl").read_bytes()
    raised = lines(out, "request")[-1]
    assert (raised["score"], raised["detectors"]["bola_enumeration"] > 0) == (0, True)
    assert [session["score"] for session in lines(out, "session")] == [0]
    assert [line["score"] for line in lines(off, "request")] == [line["score"] for line in lines(out, "request")]


def test_an_evicted_session_gets_its_line_where_it_ended(run: Run, tmp_path: Path) -> None:
    calls = [call(1 + i, at=i * 0.5, user=f"user{i % 500}") for i in range(3000)]
    file = stored(tmp_path / "f", *(request(*calls[i : i + 100]) for i in range(0, 3000, 100)))
    _, out, _ = run(file, settings=["processors::sessions::max_bytes=8KiB"])
    sessions, told = lines(out, "session"), summary(out)
    assert told["evicted"] > 400
    assert told["sessions"] == len(sessions) == len({session["session"] for session in sessions})
    assert {session["session"] for session in sessions} == {line["session"] for line in lines(out, "request")}
    assert sum(session["requests"] for session in sessions) == 3000
    seen: set[str] = set()
    for line in map(json.loads, out.splitlines()):
        assert line["type"] != "request" or line["session"] not in seen, "a session's line is its last"
        if line["type"] == "session":
            seen.add(line["session"])


def test_an_idle_session_ends_before_the_next_begins(run: Run, tmp_path: Path) -> None:
    _, out, _ = run(stored(tmp_path / "f", *walk(1, 3), *walk(4, 3, at=HOUR), *walk(7, 3, at=3 * HOUR)))
    kinds = [line["type"] for line in map(json.loads, out.splitlines())]
    assert kinds == [*["request"] * 3, "session", *["request"] * 3, "session", *["request"] * 3, "session", "summary"]
    assert len({line["session"] for line in lines(out, "session")}) == 3
    assert (summary(out)["sessions"], summary(out)["evicted"]) == (3, 0)


def test_a_caller_nobody_knows_is_in_no_session(run: Run, tmp_path: Path) -> None:
    code, out, _ = run(stored(tmp_path / "f", request(call(1, user=None, client=None))))
    assert (code, lines(out, "request")[0]["session"], lines(out, "session"), summary(out)["sessions"]) == (0, None, [], 0)


def test_a_wild_clock_moves_nobody(run: Run, tmp_path: Path) -> None:
    year = 365 * 24 * HOUR
    wild = [request(call(900, at=year, user="bob")), request(span(901, {"http.request.method": "GET"}, at=-1e18 / 1e9, took=1e18 / 1e9))]
    _, out, _ = run(stored(tmp_path / "f", *walk(1, 15), *wild, *walk(16, 15, at=15)))
    assert (summary(out)["requests"], summary(out)["late"], len(enumerated(out))) == (32, 1, 10)
    assert summary(out)["sessions"] == len(lines(out, "session")) == 2


@pytest.mark.parametrize("records", [1, 7, 10_000])
def test_the_same_input_gives_the_same_bytes_however_it_is_grouped(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, records: int
) -> None:
    mixed = stored(tmp_path / "mixed", *crowd(1000, at=0), *walk(1, 40, at=200), *walk(500, 40, at=3 * HOUR), *crowd(2000, at=4 * HOUR))
    small = ["processors::sessions::max_bytes=2KiB", "processors::detect::detectors::scan_probing::mode=shadow"]
    files = [mixed, *CAPTURED, mixed]
    _, before, _ = run(*files, settings=small)
    _, again, _ = run(*files, settings=small)
    monkeypatch.setattr(replaying, "BATCH_RECORDS", records)
    _, grouped, _ = run(*files, settings=small)
    assert before == again == grouped
    assert summary(before)["evicted"] > 0
    assert lines(before, "finding")


def test_lines_are_as_promised(run: Run, tmp_path: Path) -> None:
    _, out, _ = run(*CAPTURED, stored(tmp_path / "f", *walk(1, 30)))
    told = [json.loads(line) for line in out.splitlines()]
    assert {line["type"]: " ".join(line) for line in told} == KEYS
    assert told[-1]["type"] == "summary"
    assert summary(out)["requests"] == len(lines(out, "request")) > 100
    for line in lines(out, "request"):
        assert 0 <= line["score"] <= 1
        assert line["score"] == max(line["detectors"].values())
        assert list(line["detectors"]) == [
            "auth_bruteforce", "bola_enumeration", "bola_walk", "request_anomaly", "scan_honeypath", "scan_probing",
            "session_conduct", "session_evidence",
        ]  # fmt: skip
        assert line["endpoint"].split(" ")[0] in ("vampi", "shop")


def test_exit_codes(run: Run, tmp_path: Path) -> None:
    attack = stored(tmp_path / "attack", *walk(1, 30))
    broken = stored(tmp_path / "broken", *walk(1, 30), b"\x0a\xff\xff", *walk(31, 10, at=30))
    assert run(attack)[0] == 0
    assert run(attack, fail_on="high")[0] == 1
    assert run(attack, fail_on="critical")[0] == 0
    code, out, err = run(broken, fail_on="high")
    assert code == 2
    assert f"{broken}: record 4: offset" in err
    assert (summary(out)["decode_errors"], summary(out)["requests"], len(enumerated(out))) == (1, 40, 20), "the rest goes on"
