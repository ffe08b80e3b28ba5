"""Exporter `file`: what leaves, as the Collector's file exporter writes it, for its readers and for `replay`."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Literal

import zstandard

from apisec_otel.component import Host, Signal
from apisec_otel.exporters.otlp_json import to_json
from apisec_otel.reply import ACCEPTED, Reply
from apisec_otel.telemetry import Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSettings:
    """Writes requests to a file, as the Collector's file exporter does."""

    signals: ClassVar[frozenset[str]] = frozenset({"traces", "logs", "metrics"})
    refused: ClassVar[Mapping[str, str]] = {
        "rotation": "not supported; rotate with logrotate and its `copytruncate`",
        "group_by": "not supported; everything goes to one file",
        "encoding": "not supported; choose `format`",
    }

    path: str = ""
    """File that is written."""
    format: Literal["json", "proto"] = "json"
    """json: a line of OTLP/JSON for each request. proto: each request behind its length, 4 bytes, big endian."""
    compression: Literal["", "none", "zstd"] = ""
    """zstd: each request is compressed by itself and stands, json as well, behind its length, 4 bytes, big endian."""
    append: bool = False
    """True: go on behind what the file holds. False: start anew."""
    flush_interval: timedelta = timedelta(seconds=1)
    """Accepted for the Collector's sake: every request is handed to the operating system when it comes."""
    create_directory: bool = False
    """Make the file's directory when it is missing."""

    def __post_init__(self) -> None:
        if not self.path:
            raise ValueError("path is missing: the file to write")
        if self.append and self.compression == "zstd":
            raise ValueError("append and compression do not go together")

    def build(self, host: Host) -> FileExporter:
        """The open file."""
        return FileExporter(self, host.telemetry)


class FileExporter:
    """Appends requests to one file.

    A request is there whole or not at all: what could not be written to its end (a full disk) is taken back and
    answered as refused for now.
    """

    def __init__(self, settings: FileSettings, telemetry: Telemetry | None = None) -> None:
        path = Path(settings.path)
        if settings.create_directory:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (0 if settings.append else os.O_TRUNC), 0o644)
        self._end = os.lseek(self._file, 0, os.SEEK_END)
        self._json = settings.format == "json"
        self._zstd = zstandard.ZstdCompressor() if settings.compression == "zstd" else None
        self._path = settings.path
        self._telemetry = telemetry or Telemetry()
        self._closed = False
        self.written = 0
        """Requests in the file."""
        self.failed = 0
        """Requests that could not be written."""

    def export(self, signal: Signal, requests: Sequence[bytes]) -> Reply:
        """Writes Export requests of `signal` (traces, logs, metrics), all of them or none."""
        try:
            records = b"".join(self._record(signal, request) for request in requests)
        except ValueError as error:
            self._count_failed(len(requests), "malformed")
            return Reply(False, message=f"file {self._path}: not a request of {signal}: {error}")
        try:
            self._write(records)
        except OSError as error:
            self._count_failed(len(requests), errno.errorcode.get(error.errno or 0, "OSError"))
            self._take_back()
            return Reply(False, retryable=True, message=f"file {self._path}: {error.strerror or error}")
        self._end += len(records)
        self.written += len(requests)
        return ACCEPTED

    def flush(self) -> None:
        """Waits until the disk has what was written."""
        os.fsync(self._file)

    def start(self) -> None:
        """Nothing: the file is open."""

    def stop(self) -> None:
        """Ends the file."""
        if not self._closed:
            self._closed = True
            os.close(self._file)

    def _count_failed(self, requests: int, reason: str) -> None:
        self.failed += requests
        self._telemetry.add("apisec_file_write_failures", requests, path=self._path, reason=reason)

    def _record(self, signal: Signal, request: bytes) -> bytes:
        record = to_json(signal, request).encode("utf-8", "replace") if self._json else request
        if self._zstd is not None:
            record = self._zstd.compress(record)
        elif self._json:
            return record + b"\n"
        return len(record).to_bytes(4, "big") + record

    def _write(self, records: bytes) -> None:
        at = 0
        while at < len(records):
            at += os.pwrite(self._file, memoryview(records)[at:], self._end + at)

    def _take_back(self) -> None:
        try:
            os.ftruncate(self._file, self._end)
        except OSError:
            # A pipe or a device cannot be cut; the next write goes to the same place, where there are places.
            return
