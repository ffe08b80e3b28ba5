"""Reading what the Collector's file exporter and people keep."""

import gzip
import json

import pytest
import zstandard

from apisec_otel.receivers import otlp_json_file
from apisec_otel.receivers.otlp_json_file import Fault, OtlpFile, Stored

LINES = [json.dumps({"resourceSpans": [{"at": at}]}).encode() for at in range(5)]


def read(tmp_path, content: bytes):
    path = tmp_path / "f"
    path.write_bytes(content)
    file = OtlpFile(str(path))
    items = list(file)
    return (
        [item for item in items if isinstance(item, Stored)],
        [str(item).partition(": ")[2] for item in items if isinstance(item, Fault)],
        file,
    )


def lines() -> bytes:
    return b"\n".join(LINES) + b"\n"


def lengths(records=LINES) -> bytes:
    return b"".join(len(record).to_bytes(4, "big") + record for record in records)


FORMS = {
    "plain": lines(),
    "no newline at the end": lines()[:-1],
    "windows": lines().replace(b"\n", b"\r\n"),
    "byte order mark": b"\xef\xbb\xbf" + lines(),
    "blank lines": lines().replace(b"\n", b"\n\n"),
    "gzip": gzip.compress(lines(), mtime=0),
    "gzip members": b"".join(gzip.compress(line + b"\n") for line in LINES),
    "zstd": zstandard.compress(lines()),
    "zstd frames": b"".join(zstandard.compress(line + b"\n") for line in LINES),
    "lengths": lengths(),
    "zstd a record": lengths([zstandard.compress(line) for line in LINES]),
    "gzip of lengths": gzip.compress(lengths()),
    "array": b"[" + b",".join(LINES) + b"]",
    "pretty array": json.dumps([json.loads(line) for line in LINES], indent=2).encode(),
    "pretty objects": b"\n".join(json.dumps(json.loads(line), indent=2).encode() for line in LINES),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_requests(tmp_path, form):
    stored, faults, _ = read(tmp_path, FORMS[form])
    assert [json.loads(each.payload) for each in stored] == [json.loads(line) for line in LINES]
    assert all(each.json for each in stored)
    assert faults == []


def test_protobuf_records_are_told_from_json(tmp_path):
    stored, faults, _ = read(tmp_path, lengths([b"\x0a\x00", b"", LINES[0]]))
    assert [(each.payload, each.json) for each in stored] == [(b"\x0a\x00", False), (b"", False), (LINES[0], True)]
    assert faults == []


@pytest.mark.parametrize(
    ("content", "whole", "fault"),
    [
        (gzip.compress(lines(), mtime=0)[:-4], 5, "line 6: the compressed data ends too early"),
        (zstandard.compress(lines())[:-3], None, "the compressed data ends too early"),
        (gzip.compress(lines(), mtime=0)[:20] + b"garbage" * 9, None, "the compressed data"),
        (lengths()[:-1], 4, "record 5: the file ends after"),
        (lengths() + b"\0\0", 5, "record 6: the file ends inside a length"),
        (lengths() + b"\x7f\0\0\0", 5, "record 6: length"),
        (lengths([zstandard.compress(LINES[0])[:-2], LINES[1]]), None, "record 1"),
        (json.dumps(json.loads(LINES[0]), indent=2).encode()[:-4], 0, "line 1: the object that starts here has no end"),
    ],
)
def test_a_broken_file_says_where(tmp_path, content, whole, fault):
    stored, faults, _ = read(tmp_path, content)
    assert whole is None or len(stored) == whole
    assert len(faults) == 1
    assert fault in faults[0]


def test_a_missing_file_and_a_directory(tmp_path):
    (fault,) = OtlpFile(str(tmp_path / "none"))
    assert "No such file" in str(fault)
    (fault,) = OtlpFile(str(tmp_path))
    assert "directory" in str(fault)


def test_logs_and_metrics_are_passed_over_and_counted(tmp_path):
    stored, faults, file = read(tmp_path, b'{"resourceLogs":[]}\n{"resourceMetrics":[]}\n' + lines())
    assert (len(stored), faults, file.other) == (5, [], 2)


def test_a_line_that_is_too_long_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(otlp_json_file, "LONGEST", 100)
    stored, faults, _ = read(tmp_path, LINES[0] + b"\n" + b'{"resourceSpans":"' + b"x" * 5000 + b'"}\n' + LINES[1])
    assert len(stored) == 2
    assert faults == ["line 2: longer than 100 bytes"]


def test_a_bomb_in_a_record_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(otlp_json_file, "LONGEST", 10_000)
    stored, faults, _ = read(tmp_path, lengths([zstandard.compress(b"{" + b" " * 1_000_000), LINES[1]]))
    assert len(stored) == 1
    assert faults == ["record 1: longer than 10000 bytes"]
