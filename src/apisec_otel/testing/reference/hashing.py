"""SipHash-2-4 and the mixing of ids, in plain Python."""

from __future__ import annotations

MASK = (1 << 64) - 1


def _turn(value: int, by: int) -> int:
    return (value << by | value >> (64 - by)) & MASK


def _round(a: int, b: int, c: int, d: int) -> tuple[int, int, int, int]:
    a, c = (a + b) & MASK, (c + d) & MASK
    b, d = _turn(b, 13) ^ a, _turn(d, 16) ^ c
    a = _turn(a, 32)
    c, a = (c + b) & MASK, (a + d) & MASK
    b, d = _turn(b, 17) ^ c, _turn(d, 21) ^ a
    return a, b, _turn(c, 32), d


def siphash(secret: bytes, text: bytes) -> int:
    """The id of a text under a secret of 16 bytes; never 0."""
    low, high = int.from_bytes(secret[:8], "little"), int.from_bytes(secret[8:], "little")
    state = (low ^ 0x736F6D6570736575, high ^ 0x646F72616E646F6D, low ^ 0x6C7967656E657261, high ^ 0x7465646279746573)
    padded = text + bytes(-(len(text) + 1) % 8) + bytes([len(text) & 0xFF])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        a, b, c, d = state
        state = _round(*_round(a, b, c, d ^ word))
        state = (state[0] ^ word, *state[1:])
    a, b, c, d = state
    state = (a, b, c ^ 0xFF, d)
    for _ in range(4):
        state = _round(*state)
    return max(state[0] ^ state[1] ^ state[2] ^ state[3], 1)


def mix(a: int, b: int) -> int:
    """The id of a pair; 0 (missing) when either is missing."""
    if not a or not b:
        return 0
    x = (a ^ _turn(b, 23)) * 0xD6E8FEB86659FD93 & MASK
    return (x ^ x >> 32) | 1
