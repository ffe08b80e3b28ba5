"""A snapshot as a file: a head, then frames, each sealed together with all before it, then an end.

    magic with the version, 16 bytes that tell the secret, 8 of the time it was begun (ns since 1970)
    frame: length of name and of payload (u32 each, big endian), name, payload, seal of 16 bytes
    the end is a frame with an empty name

Seals are blake2b, keyed with the secret of all ids: a flipped bit, a lost end, a swapped frame or a foreign hand is seen.
"""

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from apisec_otel.errors import ApisecError

MAGIC = b"apisec-otel snapshot "
VERSION = b"1\n"
AHEAD = 600 * 10**9
"""A snapshot from further in the future (ns) would make every request late."""

_HEAD = struct.Struct(">16sQ")
_LENGTHS = struct.Struct(">II")
_SEAL = 16

Frame = tuple[str, bytes]


class SnapshotError(ApisecError):
    """A file that is no snapshot of ours, and why."""


class Writer:
    """Seals frames one after the other into a file."""

    def __init__(self, file: BinaryIO, secret: bytes, at: int) -> None:
        self._file, self._secret = file, secret
        head = MAGIC + VERSION + _HEAD.pack(_told(secret), at)
        self._last = _seal(secret, b"", head)
        self.bytes = 0
        self._write(head + self._last)

    def add(self, frame: Frame) -> None:
        """Writes one frame; OSError when the disk does not take it."""
        name = frame[0].encode()
        head = _LENGTHS.pack(len(name), len(frame[1])) + name
        self._last = _seal(self._secret, self._last, head, frame[1])
        for part in (head, frame[1], self._last):
            self._write(part)

    def end(self) -> None:
        """Closes the list of frames."""
        self.add(("", b""))

    def _write(self, part: bytes) -> None:
        self._file.write(part)
        self.bytes += len(part)


def frames(path: Path, secret: bytes, now: int) -> Iterator[Frame]:
    """The frames of a file, one read at a time. SnapshotError at the first that is not as it was written."""
    with path.open("rb") as file:
        last = _read_head(file, secret, now)
        while True:
            name, payload, last = _read_frame(file, secret, last)
            if not name:
                break
            yield name, payload
        if file.read(1):
            raise SnapshotError("something follows its end")


def verify(path: Path, secret: bytes, now: int) -> None:
    """Reads a file to its end; SnapshotError when any of it is not as it was written."""
    for _ in frames(path, secret, now):
        pass


def _read_head(file: BinaryIO, secret: bytes, now: int) -> bytes:
    magic = file.read(len(MAGIC))
    version = file.readline(16)
    if magic != MAGIC:
        raise SnapshotError("it is no snapshot")
    if version != VERSION:
        raise SnapshotError(f"its version is {version.strip()!r}; {VERSION.decode().strip()} is read")
    head = _take(file, _HEAD.size)
    told, at = _HEAD.unpack(head)
    if _take(file, _SEAL) != _seal(secret, b"", MAGIC + VERSION + head):
        raise SnapshotError("it was written under another secret" if told != _told(secret) else "its head is damaged")
    if at > now + AHEAD:
        raise SnapshotError("it was written in the future; the clock was or is wrong")
    return _seal(secret, b"", MAGIC + VERSION + head)


def _read_frame(file: BinaryIO, secret: bytes, last: bytes) -> tuple[str, bytes, bytes]:
    lengths = _take(file, _LENGTHS.size)
    of_name, of_payload = _LENGTHS.unpack(lengths)
    name, payload = _take(file, of_name), _take(file, of_payload)
    seal = _seal(secret, last, lengths + name, payload)
    if _take(file, _SEAL) != seal:
        raise SnapshotError("it is damaged")
    return name.decode(), payload, seal


def _take(file: BinaryIO, length: int) -> bytes:
    taken = file.read(length)
    if len(taken) < length:
        raise SnapshotError("it ends too early")
    return taken


def _seal(secret: bytes, *parts: bytes) -> bytes:
    digest = hashlib.blake2b(key=secret, digest_size=_SEAL)
    for part in parts:
        digest.update(part)
    return digest.digest()


def _told(secret: bytes) -> bytes:
    return hashlib.blake2b(b"which secret", key=secret, digest_size=16).digest()
