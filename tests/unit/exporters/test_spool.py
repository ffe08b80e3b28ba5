"""What waits is there after a restart, and a bad file or disk costs no more than that."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from apisec_otel.exporters.spool import Spool


def spool(path: Path | None, limit: int = 10) -> Spool:
    made = Spool(path, limit)
    made.open(lambda row: row["n"])
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pagers" / "a.sqlite"


def test_rows_come_back_in_order_and_what_was_done_does_not(path: Path) -> None:
    before = spool(path)
    for key in "abc":
        before.put(key, {"n": key})
    before.put("a", {"n": "new"})
    before.done("b", before.get("b"))  # type: ignore[arg-type]
    before.close()
    assert spool(path).rows() == [("a", {"n": "new"}), ("c", {"n": "c"})]


def test_what_has_taken_a_row_s_place_is_not_done_with_it() -> None:
    made = spool(None)
    made.put("a", {"n": 1})
    old: Any = made.get("a")
    made.put("a", {"n": 2})
    made.done("a", old)
    assert made.first() == ("a", {"n": 2})


def test_a_file_that_is_none_is_set_aside(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database, " * 100)
    made = spool(path)
    made.put("a", {"n": 1})
    made.close()
    assert "cannot be read" in caplog.text and path.with_suffix(".bad").exists()
    assert len(spool(path)) == 1


def test_a_row_of_another_time_is_left_out(path: Path) -> None:
    before = spool(path)
    before.put("a", {"other": 1})
    before.put("b", {"n": 1})
    before.close()
    assert [key for key, _ in spool(path).rows()] == ["b"]
    assert len(sqlite3.connect(path).execute("SELECT * FROM waiting").fetchall()) == 1


def test_a_disk_that_fails_leaves_what_waits_in_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "pagers").write_text("a file where a folder should be")
    made = spool(tmp_path / "pagers" / "a.sqlite")
    made.put("a", {"n": 1})
    made.put("b", {"n": 2})
    assert len(made) == 2
    assert caplog.text.count("in memory only") == 1
