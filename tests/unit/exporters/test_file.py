"""The file exporter writes what the Collector writes, whole or not at all."""

import errno
import io
import json
import os

import pytest
import zstandard
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from apisec_otel.exporters.debug import DebugExporter, DebugSettings
from apisec_otel.exporters.file import FileExporter, FileSettings
from apisec_otel.receivers.otlp_json_file import OtlpFile


def request(name: str) -> bytes:
    made = ExportTraceServiceRequest()
    made.resource_spans.add().scope_spans.add().spans.add(name=name, trace_id=bytes(range(16)))
    return made.SerializeToString()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "out"


def exporter(path, **settings) -> FileExporter:
    return FileExporter(FileSettings(path=str(path), create_directory=True, **settings))


def test_json_is_a_line_for_each_request(path):
    file = exporter(path)
    assert file.export("traces", [request("a"), request("b")]).accepted
    file.stop()
    names = [json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] for line in path.read_text().splitlines()]
    assert names == ["a", "b"]


def test_proto_stands_behind_its_length(path):
    file = exporter(path, format="proto")
    file.export("traces", [request("a")])
    file.flush()
    content = path.read_bytes()
    assert content == len(request("a")).to_bytes(4, "big") + request("a")


@pytest.mark.parametrize("form", ["json", "proto"])
@pytest.mark.parametrize("compression", ["", "none", "zstd"])
def test_what_is_written_is_read_again(path, form, compression):
    file = exporter(path, format=form, compression=compression)
    file.export("traces", [request("a"), request("b")])
    read = list(OtlpFile(str(path)))
    assert [each.json for each in read] == [form == "json"] * 2
    if form == "proto":
        assert [each.payload for each in read] == [request("a"), request("b")]


def test_zstd_is_compressed_request_by_request(path):
    file = exporter(path, format="proto", compression="zstd")
    file.export("traces", [request("a")])
    content = path.read_bytes()
    assert zstandard.decompress(content[4:]) == request("a")
    assert int.from_bytes(content[:4], "big") == len(content) - 4


def test_append_goes_on_and_without_it_the_file_begins_anew(path):
    for append, lines in ((False, 1), (True, 2), (False, 1)):
        file = exporter(path, append=append)
        file.export("traces", [request("a")])
        file.stop()
        assert len(path.read_text().splitlines()) == lines


def test_a_full_disk_is_a_retryable_refusal_and_leaves_whole_lines(path, monkeypatch):
    file = exporter(path)
    file.export("traces", [request("a")])
    whole = path.read_bytes()
    write, room = os.pwrite, [20]

    def full(fd, data, at):
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, bytes(data)[: room.pop()], at)

    monkeypatch.setattr(os, "pwrite", full)
    reply = file.export("traces", [request("b"), request("c")])
    assert (reply.accepted, reply.retryable, file.failed) == (False, True, 2)
    assert "No space left on device" in reply.message
    assert path.read_bytes() == whole
    monkeypatch.undo()
    assert file.export("traces", [request("b")]).accepted
    assert len(list(OtlpFile(str(path)))) == 2


def test_what_is_no_request_is_refused_for_good(path):
    file = exporter(path)
    reply = file.export("traces", [request("a"), b"\x0a\xff"])
    assert (reply.accepted, reply.retryable) == (False, False)
    assert path.read_bytes() == b""


def test_settings_that_do_not_go_together():
    with pytest.raises(ValueError, match="path"):
        FileSettings()
    with pytest.raises(ValueError, match="append and compression"):
        FileSettings(path="x", append=True, compression="zstd")
    assert "logrotate" in FileSettings.refused["rotation"]


@pytest.mark.parametrize(
    ("verbosity", "lines", "word"), [("basic", 1, "1 spans"), ("normal", 2, "a\\x1b"), ("detailed", 4, "name: a\\x1b")]
)
def test_debug_says_as_much_as_asked(verbosity, lines, word):
    out = io.StringIO()
    assert DebugExporter(DebugSettings(verbosity=verbosity), out).export("traces", [request("a\x1b")]).accepted
    assert len(out.getvalue().splitlines()) == lines
    assert word in out.getvalue()
    assert "\x1b" not in out.getvalue()
