"""The file: whole or not there, read as it was written or set aside; a disk that does not work disturbs nobody."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from apisec_otel.clock import ManualClock
from apisec_otel.snapshots.frames import AHEAD, SnapshotError, Writer, frames, verify
from apisec_otel.snapshots.keeper import NAME, Keeper
from apisec_otel.snapshots.parts import given
from apisec_otel.telemetry import Telemetry

SECRET = bytes(range(16))
NOW = 10**18
FRAMES = [("a", b"meaning"), ("a", b"one"), ("a", b""), ("b", b"")]


def write(path: Path, made: Sequence[tuple[str, bytes]] = FRAMES, secret: bytes = SECRET, at: int = NOW) -> bytes:
    file = io.BytesIO()
    writer = Writer(file, secret, at)
    for each in made:
        writer.add(each)
    writer.end()
    path.write_bytes(file.getvalue())
    assert writer.bytes == len(file.getvalue())
    return file.getvalue()


def test_a_file_reads_as_it_was_written(tmp_path: Path) -> None:
    write(tmp_path / "s")
    assert list(frames(tmp_path / "s", SECRET, NOW)) == FRAMES


def test_any_damage_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "s"
    whole = write(path)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(SnapshotError):
            verify(path, SECRET, NOW)
    for at in range(len(whole)):
        for bit in (1, 16, 128):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
            with pytest.raises(SnapshotError):
                verify(path, SECRET, NOW)
    path.write_bytes(whole + b"\0")
    with pytest.raises(SnapshotError, match="follows its end"):
        verify(path, SECRET, NOW)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda whole: whole.replace(b"snapshot 1\n", b"snapshot 7\n"), "version"),
        (lambda whole: b"something else", "no snapshot"),
        (lambda whole: whole[:-1], "ends too early"),
        (lambda whole: whole.replace(b"one", b"One"), "damaged"),
    ],
)
def test_an_error_says_what_is_wrong(tmp_path: Path, change: object, why: str) -> None:
    whole = write(tmp_path / "s")
    (tmp_path / "s").write_bytes(change(whole))  # type: ignore[operator]
    with pytest.raises(SnapshotError, match=why):
        verify(tmp_path / "s", SECRET, NOW)


def test_another_secret_and_the_future_are_told(tmp_path: Path) -> None:
    write(tmp_path / "s")
    with pytest.raises(SnapshotError, match="another secret"):
        verify(tmp_path / "s", bytes(16), NOW)
    verify(tmp_path / "s", SECRET, NOW - AHEAD)
    with pytest.raises(SnapshotError, match="in the future"):
        verify(tmp_path / "s", SECRET, NOW - AHEAD - 1)


class Part:
    """Keeps a few texts, one a shard."""

    meaning = ""

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)

    def snapshot(self) -> Iterator[bytes]:
        for text in self.texts:
            yield text.encode()

    def restore(self, shards: Iterable[bytes]) -> Sequence[str]:
        self.texts += [shard.decode() for shard in shards]
        return ()


class Broken(Part):
    def snapshot(self) -> Iterator[bytes]:
        yield b"one"
        raise ValueError("boom")

    def restore(self, shards: Iterable[bytes]) -> Sequence[str]:
        raise ValueError("boom")


def keeper(folder: Path, part: Part, clock: ManualClock, telemetry: Telemetry | None = None) -> Keeper:
    return Keeper({"part": part}, folder, SECRET, every=60, fsync=True, clock=clock, telemetry=telemetry or Telemetry())


def turns(of: Keeper, until: object) -> None:
    """Turns of an engine that has nothing else to do."""
    for _ in range(10_000):
        of.turn()
        if until():  # type: ignore[operator]
            return
        threading.Event().wait(0.001)
    raise AssertionError("it never ended")


def test_a_snapshot_is_taken_on_time_a_shard_a_turn_and_given_back(tmp_path: Path) -> None:
    clock, telemetry = ManualClock(at=NOW), Telemetry()
    kept = keeper(tmp_path, Part("x", "y", "z"), clock, telemetry)
    for _ in range(5):
        kept.turn()
    assert not (tmp_path / NAME).exists()
    clock.advance(60)
    kept.turn()
    assert kept.is_hurried()
    turns(kept, lambda: telemetry.value("apisec_snapshots") == 1)
    assert [each.name for each in tmp_path.iterdir()] == [NAME]
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    assert telemetry.value("apisec_snapshot_bytes") == (tmp_path / NAME).stat().st_size
    assert telemetry.value("apisec_snapshot_age_seconds") == 0
    clock.advance(7)
    assert telemetry.value("apisec_snapshot_age_seconds") == 7
    after = Part()
    assert keeper(tmp_path, after, clock).restore() == []
    assert after.texts == ["x", "y", "z"]


def test_the_last_snapshot_is_taken_in_one_go(tmp_path: Path) -> None:
    clock = ManualClock(at=NOW)
    keeper(tmp_path, Part(*map(str, range(200))), clock).finish()
    after = Part()
    keeper(tmp_path, after, clock).restore()
    assert after.texts == [*map(str, range(200))]


def test_one_that_is_given_up_leaves_the_one_before(tmp_path: Path) -> None:
    clock = ManualClock(at=NOW)
    keeper(tmp_path, Part("old"), clock).finish()
    another = keeper(tmp_path, Part("new", "newer"), clock)
    clock.advance(60)
    another.turn()
    another.turn()
    another.abandon()
    after = Part()
    keeper(tmp_path, after, clock).restore()
    assert after.texts == ["old"]
    assert [each.name for each in tmp_path.iterdir()] == [NAME]


def test_a_bad_one_is_set_aside(tmp_path: Path) -> None:
    clock = ManualClock(at=NOW)
    assert keeper(tmp_path, Part(), clock).restore() is None
    (tmp_path / NAME).write_bytes(b"rubbish")
    with pytest.raises(SnapshotError, match=r"it is no snapshot; it is now state\.bad"):
        keeper(tmp_path, Part(), clock).restore()
    assert [each.name for each in tmp_path.iterdir()] == ["state.bad"]
    keeper(tmp_path, Part("x"), clock).finish()
    with pytest.raises(SnapshotError, match=r"boom; it is now state\.bad"):
        keeper(tmp_path, Broken(), clock).restore()


def test_a_disk_that_takes_nothing_is_counted_and_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("apisec_otel").propagate = True
    clock, telemetry = ManualClock(at=NOW), Telemetry()
    kept = keeper(tmp_path / "gone", Part("x"), clock, telemetry)
    for times in (1, 2):
        clock.advance(60)
        turns(kept, lambda times=times: telemetry.value("apisec_snapshot_failures") == times)
    assert "No such file" in kept.failure
    assert caplog.text.count("cannot be written") == 1
    (tmp_path / "gone").mkdir()
    clock.advance(60)
    turns(kept, lambda: telemetry.value("apisec_snapshots") == 1)
    assert kept.failure == ""


def test_a_part_that_breaks_spoils_its_snapshot_and_nothing_else(tmp_path: Path) -> None:
    clock, telemetry = ManualClock(at=NOW), Telemetry()
    keeper(tmp_path, Part("old"), clock).finish()
    kept = keeper(tmp_path, Broken(), clock, telemetry)
    clock.advance(60)
    turns(kept, lambda: telemetry.value("apisec_snapshot_failures") == 1)
    assert kept.failure == "ValueError: boom"
    assert list(frames(tmp_path / NAME, SECRET, NOW)) == [("part", b""), ("part", b"old")]


def test_what_is_gone_is_passed_over_and_what_is_new_is_told() -> None:
    part = Part()
    assert given({"b": part, "c": Part()}, [("a", b""), ("a", b"x"), ("b", b""), ("b", b"y")]) == ["c"]
    assert part.texts == ["y"]
    changed = Part()
    changed.meaning = "other"
    assert given({"b": changed}, [("b", b""), ("b", b"y")]) == ["b"]
    assert changed.texts == []
