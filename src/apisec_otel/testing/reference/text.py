"""What a text of a request looks like, written for reading: regular expressions, one after the other.

A byte is a character of Latin-1, so that patterns can name bytes.
"""

from __future__ import annotations

import math
import re
from itertools import groupby

from apisec_otel.testing.reference.syntax import Reading, syntax_of

LONGEST = 4096
MARKS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
CLASSES = ("a", "A", "9", " ", *MARKS, "nul", "break", "tab", "control", "high", "not utf-8", "utf-8", "double", "percent_u")
_HARMLESS = re.compile(r"[a-zA-Z0-9 ,:/&=?%|+#@\x80-\xff]")
_ESCAPE = re.compile(r"%u([0-9a-f]{4})|%([0-9a-f]{2})|(\+)", re.IGNORECASE | re.ASCII)
_HIGH = re.compile(r"[\xc0-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xff][\x80-\xbf]{3}|[\x80-\xff]")
_BACKSLASH = re.compile(r"\\x[0-9a-f].|\\u00..", re.DOTALL)
_SMALL = {ord(capital): capital.lower() for capital in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}

Features = tuple[int, int, int, int, int]


def features(raw: bytes, plus: bool, body: bool, syntax_json: str) -> Features:
    """Bucket of the length, classes, shape, score and place of the family, as `_native.text_features`."""
    text, met = decode(raw[:LONGEST].decode("latin-1"), plus)
    folded, valid = fold(text, met)
    classes = {kind(character) for character in text}
    if valid is not None:
        classes.add("utf-8" if valid else "not utf-8")
    met |= {encoding for encoding, found in (("nul", "nul" in classes), ("break", "break" in classes)) if found}
    if _BACKSLASH.search(folded):
        met.add("backslash")
    classes |= met & {"double", "percent_u"}
    score, family = Reading(folded, syntax_of(syntax_json)).verdict(met, body)
    return length_bucket(len(text)), sum(1 << CLASSES.index(one) for one in classes), shape(text), score, family


def decode(text: str, plus: bool) -> tuple[str, set[str]]:
    """Decoded up to three times; what encodings were met."""
    met: set[str] = set()
    for layer in range(3):
        values: list[str] = []

        def decoded(match: re.Match[str], layer: int = layer, values: list[str] = values) -> str:
            unit, byte, _ = match.groups()
            if unit is None and byte is None:
                return " " if plus and layer == 0 else "+"
            values.append(chr(int(byte, 16)) if byte else "")
            return values[-1] if byte else _unit(int(unit, 16), met)

        text = _ESCAPE.sub(decoded, text)
        if layer and any(value and not _HARMLESS.match(value) for value in values):
            met.add("double")
        if not values:
            break
    return text, met


def _unit(unit: int, met: set[str]) -> str:
    if 0xFF01 <= unit <= 0xFF5E:
        met.add("full_width")
        unit -= 0xFEE0
    if unit < 0x80:
        met.add("percent_u")
    return chr(unit).encode("utf-8", "surrogatepass").decode("latin-1")


def fold(text: str, met: set[str]) -> tuple[str, bool | None]:
    """In lower case, overlong and full-width ASCII as ASCII; whether bytes beyond ASCII are UTF-8, None without any."""
    sequences: list[str] = []
    unusual = []

    def folded(match: re.Match[str]) -> str:
        sequence = match.group()
        sequences.append(sequence)
        if sequence[0] in "\xc0\xc1" and len(sequence) == 2:
            hidden = chr((ord(sequence[0]) & 1) << 6 | ord(sequence[1]) & 0x3F)
            if hidden in "./\\<>'\"":
                met.add("overlong")
            return hidden
        code = ord(sequence.encode("latin-1").decode("utf-8", "replace")[0])
        if sequence[0] == "\xef" and 0xFF01 <= code <= 0xFF5E:
            unusual.append(not chr(code - 0xFEE0).isalnum() and chr(code - 0xFEE0) not in ",:!?()")
            return chr(code - 0xFEE0)
        return sequence

    plain = _HIGH.sub(folded, text).translate(_SMALL)
    if any(unusual) and re.search("[<'/]", plain):
        met.add("full_width")
    return plain, all(len(sequence) > 1 for sequence in sequences) if sequences else None


def kind(character: str) -> str:
    """The class of a character."""
    for pattern, name in (("[a-z]", "a"), ("[A-Z]", "A"), ("[0-9]", "9"), ("\0", "nul"), ("[\r\n]", "break"), ("\t", "tab")):
        if re.fullmatch(pattern, character):
            return name
    return "high" if ord(character) >= 128 else "control" if ord(character) < 32 or ord(character) == 127 else character


def length_bucket(length: int) -> int:
    """0 to 16 exact, then two an octave."""
    return length if length <= 16 else min(31, 16 + math.ceil(2 * math.log2(length / 16)))


def shape(text: str) -> int:
    """A hash of the first 24 runs of like characters."""
    controls = dict.fromkeys(("nul", "break", "tab", "control"), "\n")
    runs = [like for like, _ in groupby((controls | {"high": "u"}).get(kind(character), kind(character)) for character in text)]
    hash, mask = 0xCBF29CE484222325, 2**64 - 1
    for like in runs[:24]:
        hash = (hash ^ ord(like)) * 0x100000001B3 & mask
    hash = (hash ^ hash >> 32) * 0x9E3779B97F4A7C15 & mask
    return (hash ^ hash >> 29) >> 13 & 0xFFFF
