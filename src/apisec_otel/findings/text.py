"""Text that is safe to show: callers choose paths, agents and names, and terminals obey control characters."""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 255
"""Bytes of a string on the wire: backends index no longer ones."""

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


def escape(text: str) -> str:
    r"""Control characters, line breaks, direction overrides and lone surrogates as `\x1b` or `\u202e`.

    >>> escape("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return _UNSAFE.sub(lambda found: _escaped(ord(found[0])), text)


def _escaped(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def short(text: str, longest: int = LONGEST) -> str:
    """The text, escaped, in at most `longest` bytes of UTF-8; what was cut ends in an ellipsis."""
    safe = escape(text if len(text) <= longest else text[: longest + 1])
    encoded = safe.encode()
    if len(encoded) <= longest:
        return safe
    return encoded[: longest - 3].decode(errors="ignore") + "…"
