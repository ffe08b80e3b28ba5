"""Operations on the values of one row. Missing: NaN for numbers, 0 (unknown) for conditions, 0 for ids."""

from __future__ import annotations

import math
from collections.abc import Callable

Value = float | int
NAN = math.nan
_WORD = (1 << 64) - 1


def _present(value: float) -> float:
    return value if math.isfinite(value) else NAN


def _arithmetic(compute: Callable[..., float]) -> Callable[..., float]:
    def run(*values: float) -> float:
        if any(math.isnan(value) for value in values):
            return NAN
        try:
            return _present(compute(*values))
        except (ArithmeticError, ValueError):
            return NAN

    return run


def _skipping(choose: Callable[[float, float], float]) -> Callable[[float, float], float]:
    def run(left: float, right: float) -> float:
        if math.isnan(left):
            return right
        return left if math.isnan(right) else choose(left, right)

    return run


def _comparison(holds: Callable[[Value, Value], bool]) -> Callable[[float, float], int]:
    def run(left: float, right: float) -> int:
        if math.isnan(left) or math.isnan(right):
            return 0
        return 1 if holds(left, right) else -1

    return run


def _identity(left: int, right: int, *, alike: int) -> int:
    if left == 0 or right == 0:
        return 0
    return alike if left == right else -alike


def mix(left: int, right: int) -> int:
    """One id of two; missing when either is."""
    if left == 0 or right == 0:
        return 0
    turned = (right << 23 | right >> 41) & _WORD
    mixed = (left ^ turned) * 0xD6E8FEB86659FD93 & _WORD
    return (mixed ^ mixed >> 32) | 1


def choose(condition: int, then: float, otherwise: float) -> float:
    """Either value by a condition; missing when that is unknown."""
    if condition == 0:
        return NAN
    return then if condition == 1 else otherwise


def known(value: Value) -> int:
    """Whether a number or an id is present."""
    missing = math.isnan(value) if isinstance(value, float) else value == 0
    return -1 if missing else 1


POINTWISE: dict[str, Callable[..., Value]] = {
    "add": _arithmetic(lambda a, b: a + b),
    "subtract": _arithmetic(lambda a, b: a - b),
    "multiply": _arithmetic(lambda a, b: a * b),
    "divide": _arithmetic(lambda a, b: a / b),
    "negate": _arithmetic(lambda a: -a),
    "absolute": _arithmetic(abs),
    "exp": _arithmetic(math.exp),
    "log": _arithmetic(math.log),
    "maximum": _skipping(max),
    "minimum": _skipping(min),
    "when": choose,
    "greater": _comparison(lambda a, b: a > b),
    "greater_equal": _comparison(lambda a, b: a >= b),
    "less": _comparison(lambda a, b: a < b),
    "less_equal": _comparison(lambda a, b: a <= b),
    "equal": _comparison(lambda a, b: a == b),
    "not_equal": _comparison(lambda a, b: a != b),
    "same": lambda a, b: _identity(a, b, alike=1),
    "different": lambda a, b: _identity(a, b, alike=-1),
    "and": min,
    "or": max,
    "not": lambda a: -a,
    "known": known,
    "mix": mix,
}
