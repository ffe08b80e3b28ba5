"""Receiver of files: OTLP as the Collector's file exporter writes it, and what else people keep.

Read are, each plain, gzip or zstd: lines of OTLP/JSON; records of protobuf or JSON behind their length (4 bytes, big
endian), each perhaps compressed with zstd by itself; JSON that somebody made pretty, and arrays of requests. Which it
is, the first bytes say. Nothing is held but one record; a record over `LONGEST` bytes is not read.
"""

from __future__ import annotations

import io
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

import zstandard

from apisec_otel.receivers.decompressed import Decompressed, Decompressor

LONGEST: Final = 64 << 20
"""Bytes of one record, decompressed: what the OTLP receiver takes as one request."""

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_PRETTY = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}]|"')
_TRACES = (b"resourceSpans", b"resource_spans")
_OTHERS = (b"resourceLogs", b"resourceMetrics", b"resourceProfiles", b"resource_logs", b"resource_metrics", b"resource_profiles")
_BROKEN = (EOFError, OSError, zlib.error, zstandard.ZstdError)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: `file` and the number of a line or record in it, from 1."""

    file: str
    unit: str
    number: int

    def __str__(self) -> str:
        return f"{self.file}: {self.unit} {self.number}"


@dataclass(frozen=True, slots=True)
class Stored:
    """One request for traces as it was stored: OTLP/JSON when `json`, else protobuf."""

    place: Place
    payload: bytes
    json: bool


@dataclass(frozen=True, slots=True)
class Fault:
    """What could not be read, and why."""

    place: Place
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


class OtlpFile:
    """The requests of one file, in order; `-` is standard input.

    Iterating yields a Fault for what cannot be read and goes on behind it where there is a behind: after a bad line
    the next line, after broken compression or a length that cannot be, nothing. Requests for logs and metrics among
    the lines are passed over and counted.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.other = 0
        """Requests for logs or metrics."""
        self._raw: BinaryIO | None = None

    @property
    def size(self) -> int:
        """Bytes on disk; 0 when not known."""
        return Path(self.path).stat().st_size if self.path != "-" and Path(self.path).is_file() else 0

    @property
    def position(self) -> int:
        """Bytes read from disk so far."""
        try:
            return self._raw.tell() if self._raw is not None else 0
        except (OSError, ValueError):
            return 0

    def __iter__(self) -> Iterator[Stored | Fault]:
        unit, number = "line", 0
        try:
            with self._open() as raw:
                self._raw = raw
                for item in self._items(_decompressed(raw)):
                    unit, number = item.place.unit, item.place.number
                    yield item
        except _BROKEN as error:
            yield Fault(Place(self.path, unit, number + 1), _reason(error))

    def _open(self) -> BinaryIO:
        return sys.stdin.buffer if self.path == "-" else cast("BinaryIO", Path(self.path).open("rb"))

    def _items(self, stream: io.BufferedReader) -> Iterator[Stored | Fault]:
        start = stream.peek(4)
        if start[:3] == b"\xef\xbb\xbf":
            stream.read(3)
            start = stream.peek(4)
        # A length starts with a byte of at most 4 (64 MiB); JSON with white space, a brace or a bracket.
        if start and start[0] <= LONGEST >> 24:
            return self._records(stream)
        return self._lines(stream)

    def _lines(self, stream: io.BufferedReader) -> Iterator[Stored | Fault]:
        for number, line in enumerate(_lines_of(stream), 1):
            place = Place(self.path, "line", number)
            if line is None:
                yield Fault(place, f"longer than {LONGEST} bytes")
                continue
            text = line.strip()
            if not text:
                continue
            if number == 1 and (text == b"{" or text.startswith(b"[")):
                yield from self._documents(line, stream)
                return
            yield from self._json(place, text)

    def _documents(self, first: bytes, stream: io.BufferedReader) -> Iterator[Stored | Fault]:
        """Objects that go over several lines, or stand in an array; each is placed by its first line."""
        held, depth, begun = bytearray(), 0, 1
        number = 1
        line: bytes | None = first
        lines = _lines_of(stream)
        while line is not None:
            copied = 0
            for token in _PRETTY.finditer(line):
                if token[0] == b"{":
                    if depth == 0:
                        copied, begun = token.start(), number
                    depth += 1
                elif token[0] == b"}" and depth:
                    depth -= 1
                    if depth == 0:
                        held += line[copied : token.end()]
                        yield from self._json(Place(self.path, "line", begun), bytes(held))
                        held.clear()
            if depth:
                held += line[copied:]
            if len(held) > LONGEST:
                break
            number += 1
            line = next(lines, b"\0")
            if line == b"\0":
                break
        if depth:
            yield Fault(Place(self.path, "line", begun), "the object that starts here has no end")

    def _records(self, stream: io.BufferedReader) -> Iterator[Stored | Fault]:
        number = 0
        while head := stream.read(4):
            number += 1
            place = Place(self.path, "record", number)
            size = int.from_bytes(head, "big")
            if len(head) < 4:
                yield Fault(place, "the file ends inside a length")
                return
            if size > LONGEST:
                yield Fault(place, f"length {size} is over {LONGEST}; nothing behind it can be read")
                return
            payload = stream.read(size)
            if len(payload) < size:
                yield Fault(place, f"the file ends after {len(payload)} of {size} bytes")
                return
            yield from self._record(place, payload)

    def _record(self, place: Place, payload: bytes) -> Iterator[Stored | Fault]:
        if payload[:4] == _ZSTD:
            try:
                payload = _unpacked(io.BytesIO(payload), _zstd_frame).read(LONGEST + 1)
            except _BROKEN as error:
                yield Fault(place, _reason(error))
                return
            if len(payload) > LONGEST:
                yield Fault(place, f"longer than {LONGEST} bytes")
                return
        if payload[:1] == b"{":
            yield from self._json(place, payload)
        else:
            yield Stored(place, payload, json=False)

    def _json(self, place: Place, text: bytes) -> Iterator[Stored | Fault]:
        start = text[:64]
        if not any(key in start for key in _TRACES) and any(key in text for key in _OTHERS) and not any(key in text for key in _TRACES):
            self.other += 1
        else:
            yield Stored(place, text, json=True)


def _decompressed(raw: BinaryIO) -> io.BufferedReader:
    start = raw.peek(4)[:4] if isinstance(raw, io.BufferedReader) else b""
    if start[:2] == _GZIP:
        return _unpacked(raw, _gzip_member)
    if start == _ZSTD:
        return _unpacked(raw, _zstd_frame)
    return cast(io.BufferedReader, raw)


def _unpacked(raw: BinaryIO, frame: Callable[[], Decompressor]) -> io.BufferedReader:
    return io.BufferedReader(Decompressed(raw, frame), 1 << 18)


def _gzip_member() -> Decompressor:
    return zlib.decompressobj(wbits=31)


def _zstd_frame() -> Decompressor:
    return zstandard.ZstdDecompressor().decompressobj()


def _lines_of(stream: io.BufferedReader) -> Iterator[bytes | None]:
    """Lines; None for one that is too long, of which only the end is looked for."""
    while line := stream.readline(LONGEST + 1):
        if len(line) <= LONGEST:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(1 << 20)
        yield None


def _reason(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "the compressed data ends too early"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"the compressed data is broken: {error}"
