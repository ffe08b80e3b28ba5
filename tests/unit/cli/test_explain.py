"""What explain tells of requests: the value of each node where it was judged, why one is unknown, whose request it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.otlp import call, request, stored

from apisec_otel import builtin
from apisec_otel.cli import main, replaying

Told = Callable[..., Any]
SEEN = "distinct(object_id, by=(principal, endpoint), where=succeeded, within=10 min)"


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Told:
    """Exit code, standard output and standard error of an explanation of these requests."""

    def run(detector: str, *arguments: str, requests: list[bytes], command: str = "explain") -> tuple[int, str, str]:
        file = stored(tmp_path / "traces.pb", *requests)
        with pytest.raises(SystemExit) as ended:
            main([command, *([detector] if detector else []), file, *arguments])
        captured = capsys.readouterr()
        return int(str(ended.value.code)), captured.out, captured.err

    return run


@pytest.fixture
def told(run: Told) -> Told:
    """The rows told of, as JSON values."""

    def told(detector: str, *arguments: str, requests: list[bytes]) -> list[dict[str, Any]]:
        code, out, err = run(detector, "--format", "json", *arguments, requests=requests)
        assert code == 0, err
        return [json.loads(line) for line in out.splitlines()]

    return told


def walk(count: int, **of: Any) -> list[bytes]:
    """A request each: one user goes through the objects in order."""
    return [request(call(number, f"/orders/{number}", at=number, **of)) for number in range(1, count + 1)]


def find(tree: dict[str, Any], text: str) -> dict[str, Any] | None:
    """A node in a tree, by its text."""
    if tree["node"] == text:
        return tree
    return next((found for part in tree.get("of", ()) if (found := find(part, text))), None)


def node(row: dict[str, Any], part: str, text: str) -> dict[str, Any]:
    found = find(row["signals"][0]["nodes"][part], text)
    assert found is not None, text
    return found


def test_each_node_has_its_value_where_the_detector_raised(told: Told) -> None:
    row = told("bola_enumeration", requests=walk(22))[0]
    assert (row["request"], row["raised"], row["signals"][0]["severity"]) == (21, True, "high")
    when = row["signals"][0]["nodes"]["when"]
    assert (when["value"], [part["value"] for part in when["of"]]) == (True, [21.0, 20.0])
    assert node(row, "when", SEEN)["value"] == 21.0
    assert node(row, "when", "succeeded")["value"] is True
    quantile = node(row, "objects.expected", "quantile(distinct(object_id, where=succeeded), by=endpoint, taught_by=principal, q=0.999)")
    assert (quantile["value"], quantile["unknown"]) == (None, "not enough was learned yet")


def test_the_sentence_is_that_of_the_finding(run: Told, told: Told) -> None:
    _, out, _ = run("", "--format", "json", requests=walk(22), command="replay")
    lines = [json.loads(line) for line in out.splitlines()]
    found = {each["span_id"]: each["reason"] for each in lines if each["type"] == "finding" and each["detector"] == "bola_enumeration"}
    rows = told("bola_enumeration", requests=walk(22))
    assert {row["span_id"]: row["signals"][0]["sentence"] for row in rows} == found
    assert len(found) == 2


def test_without_a_finding_those_that_came_nearest_are_told(told: Told) -> None:
    normal = [request(call(100 + n, f"/orders/{n}", at=n / 10, user=f"u{n}")) for n in range(30)]
    refused = [request(call(300 + n, "/login", route="/login", method="POST", user=None, status=401, at=4 + n)) for n in range(3)]
    rows = told("auth_bruteforce", "--limit", "2", requests=[*normal, *refused])
    assert [row["raised"] for row in rows] == [False, False]
    assert [row["endpoint"] for row in rows] == ["shop POST /login"] * 2


def test_what_is_unknown_says_which_column_is_missing(told: Told) -> None:
    row = told("bola_enumeration", requests=walk(2, user=None))[0]
    assert node(row, "when", "principal")["unknown"] == "no principal on this row"
    assert row["signals"][0]["nodes"]["objects.observed"]["unknown"] == "no principal on this row"
    assert row["signals"][0]["entity"] == {"type": "principal", "id": None}


def test_values_stand_on_their_rows_between_rows_that_are_not_judged(told: Told) -> None:
    """Health checks and repeats lie in the batch and are none of the plan's rows."""
    first = [call(n, f"/orders/{n}", at=n) for n in range(1, 4)]
    health = [call(100 + n, "/healthz", route="/healthz", at=n + 0.5) for n in range(1, 4)]
    mixed = [each for pair in zip(health, first, strict=True) for each in pair]
    rows = told("bola_enumeration", "--all", requests=[request(*mixed), request(*mixed, call(9, "/orders/9", at=9))])
    assert [int(row["span_id"], 16) for row in rows] == [1, 2, 3, 9]
    assert [row["request"] for row in rows] == [1, 2, 3, 4]
    assert [node(row, "when", SEEN)["value"] for row in rows] == [1, 2, 3, 4]


@pytest.mark.parametrize("entity", ["mallory", "198.51.100.9", "2001:db8::9"])
def test_an_entity_is_found_by_itself_and_by_its_id_and_never_printed(run: Told, told: Told, entity: str) -> None:
    address = entity if entity != "mallory" else "198.51.100.9"
    requests = [*walk(3), *(request(call(50 + n, f"/orders/{n}", at=n + 5, user="mallory", client=address)) for n in range(4))]
    rows = told("bola_enumeration", "--all", "--entity", entity, requests=requests)
    assert [int(row["span_id"], 16) for row in rows] == [50, 51, 52, 53]
    assert told("bola_enumeration", "--all", "--entity", rows[0]["principal"], requests=requests) == rows
    assert told("bola_enumeration", "--all", "--entity", rows[0]["session"], requests=requests) == rows
    _, out, err = run("bola_enumeration", "--entity", entity, requests=requests)
    assert "mallory" not in out + err
    assert entity not in out + err


def test_steps_are_explained_in_their_order_when_they_are_released(told: Told) -> None:
    """Arrived the wrong way round, and at the end of the file."""
    rows = told("bola_walk", "--all", requests=list(reversed(walk(5))))
    assert [int(row["span_id"], 16) for row in rows] == [1, 2, 3, 4, 5]
    assert [row["signals"][0]["nodes"]["steps.observed"]["value"] for row in rows] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("detector", ["bola_enumeration", "bola_walk"])
def test_how_files_are_read_changes_nothing(told: Told, monkeypatch: pytest.MonkeyPatch, detector: str) -> None:
    whole = told(detector, "--all", requests=walk(25))
    monkeypatch.setattr(replaying, "BATCH_RECORDS", 1)
    assert told(detector, "--all", requests=walk(25)) == whole


def test_what_was_taught_first_is_not_told(told: Told, tmp_path: Path) -> None:
    taught = [request(call(1000 + n, f"/orders/{n}", at=n - 4000, user=f"u{n}")) for n in range(40)]
    rows = told("bola_enumeration", "--all", "--learn", stored(tmp_path / "monday.pb", *taught), requests=walk(2))
    assert [row["request"] for row in rows] == [1, 2]
    assert rows[0]["signals"][0]["nodes"]["objects.expected"]["value"] == pytest.approx(1, rel=0.1)


def test_a_page_for_people(run: Told) -> None:
    code, out, _ = run("bola_enumeration", "--limit", "1", requests=walk(22))
    assert code == 0
    assert out.startswith("bola_enumeration raised 2 of 22 requests; 1 told here\n")
    assert "raised high on principal" in out
    assert any(SEEN in line and line.rstrip().endswith("21") for line in out.splitlines())
    assert "unknown: not enough was learned yet" in out
    assert "\x1b" not in out


def test_a_detector_that_is_off_runs_on_trial(run: Told) -> None:
    code, out, err = run("bola_enumeration", "--set", "processors::detect::detectors::bola_enumeration::mode=off", requests=walk(22))
    assert (code, "raised 2 of 22" in out) == (0, True)
    assert "bola_enumeration is off in this configuration" in err


def test_nothing_to_tell_is_1_and_a_wrong_name_2(run: Told) -> None:
    code, _, err = run("bola_enumeration", "--entity", "nobody-here", requests=walk(2))
    assert (code, "none of 2 requests is of that entity" in err, "nobody-here" in err) == (1, True, False)
    code, _, err = run("bola_wakl", requests=walk(2))
    assert (code, "did you mean bola_walk?" in err) == (2, True)
    code, _, err = run("bola_walk", "--learn", "no/such/file", requests=walk(2))
    assert (code, "No such file" in err) == (2, True)


def test_what_judges_items_cannot_be_taken_apart_and_is_told_so(run: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(builtin.BUILTIN["detectors"], "long_parameter", "tests.conformance.long_parameter:LongParameter")
    code, out, err = run("long_parameter", requests=walk(3))
    assert (code, out) == (2, "")
    assert "explain: long_parameter judges items; only what is said of Request and Step rows can be taken apart" in err
