"""A stream of compressed bytes, read as what it was before; memory stays small whatever it expands to."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

if TYPE_CHECKING:
    from typing_extensions import Buffer

CHUNK: Final = 1024
"""Compressed bytes expanded at a time: zstd makes at most 32 MiB of them."""


class Decompressor(Protocol):
    """One frame of zlib or zstandard."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


class Decompressed(io.RawIOBase):
    """Frames (or gzip members) one behind the other. All that can be had is given out before an error is raised.

    Data that ends inside a frame is an EOFError: decompressors say nothing of it.
    """

    def __init__(self, raw: BinaryIO, frame: Callable[[], Decompressor]) -> None:
        self._raw, self._frame = raw, frame
        self._current: Decompressor | None = None
        self._left = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        """Fills the buffer as far as one step goes; 0 at the end."""
        while not self._ready:
            data = self._left or self._raw.read(CHUNK)
            if not data:
                if self._current is not None:
                    raise EOFError
                return 0
            self._ready = memoryview(self._expand(data))
        target = memoryview(buffer).cast("B")
        size = min(len(target), len(self._ready))
        target[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _expand(self, data: bytes) -> bytes:
        if self._current is None:
            self._current = self._frame()
        expanded = self._current.decompress(data)
        self._left = b""
        if self._current.eof:
            self._left = self._current.unused_data
            self._current = None
        return expanded
