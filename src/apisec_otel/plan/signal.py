"""Signal: what a detector says of a row, and the check of what it says at start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from string import Formatter
from typing import Final, Literal

from apisec_otel.plan.column import Id, Logic, Number, described
from apisec_otel.plan.node import PlanError
from apisec_otel.plan.words import listed, spell

Severity = Literal["info", "low", "medium", "high", "critical"]
SEVERITIES: Final[tuple[Severity, ...]] = ("info", "low", "medium", "high", "critical")
INFO, LOW, MEDIUM, HIGH, CRITICAL = range(5)

Evidence = Number | tuple[Number, Number | float]
"""What was observed, and beside it what was expected where that is known."""

_NOT_YET = "not yet known"
ROW_WORDS: Final = ("endpoint", "payload")
"""What a sentence may name of its row: its endpoint, and why it is unusual in what it says."""
ITEM_WORD: Final = "item"
"""What it may name of an Item row beside them: where the item stands and what it is called, never its value."""
_SIDES = ("observed", "expected")


@dataclass(frozen=True, kw_only=True, eq=False)
class Signal:
    """One statement: raised where `when` holds; without `when`, where `p` is under the detector's q.

    `because` is the sentence a person reads. It may name `{endpoint}`, `{payload}`, each setting of the detector, and
    `{name.observed}` and `{name.expected}` of each evidence, with a format: `{objects.observed:.0f}`; of an Item also `{item}`.
    """

    entity: Id
    because: str
    """`{evidence}` in it lists all that was observed: `objects 40 (usually 3) and denied_share 0.5`."""
    when: Logic | None = None
    p: Number | None = None
    severity: Severity | Number | None = None
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    ranks: Number | None = None
    """How suspicious the session is as of this Step row, from 0 to 1, whether or not anything is raised.

    It raises nothing: it ranks sessions, and what is raised on one that ranks high weighs up to twice as much in the entity's risk.
    """


def check(signal: object, settings: Mapping[str, object], rows: str = "Request") -> Signal:
    """The Signal itself. Refuses wrong kinds, a statement that can never be raised, and a sentence that names what is not there."""
    if not isinstance(signal, Signal):
        raise PlanError(f"`signals` yields Signal objects; {described(signal)}.")
    _face("when", signal.when, Logic)
    _face("p", signal.p, Number)
    _face("ranks", signal.ranks, Number)
    if signal.when is None and signal.p is None:
        raise PlanError("a Signal needs `when` or `p`; this one could never be raised.")
    if not isinstance(signal.entity, Id):
        raise PlanError(f"entity: an id is wanted, such as row.principal; {described(signal.entity)}.")
    if isinstance(signal.severity, str) and signal.severity not in SEVERITIES:
        raise PlanError(f"severity: {signal.severity!r} is none of {listed(list(SEVERITIES))}.")
    for name, value in signal.evidence.items():
        observed = value[0] if isinstance(value, tuple) else value
        if not isinstance(observed, Number):
            raise PlanError(f"evidence {name}: a number is wanted; {described(observed)}.")
    words = ROW_WORDS if rows != "Item" else (*ROW_WORDS, ITEM_WORD)
    sentence(signal.because, dict.fromkeys(signal.evidence, (1.0, 1.0)), settings, dict.fromkeys(words, ""))
    return signal


def sentence(
    because: str, evidence: Mapping[str, tuple[float | None, float | None]], settings: Mapping[str, object], words: Mapping[str, str]
) -> str:
    """The sentence with its values filled in; what is missing prints as "not yet known". PlanError for a name that is not there.

    `words` are those of the row, by `ROW_WORDS`.
    """
    return "".join(literal + value for literal, value in _parts(because, evidence, settings, words))


def _parts(
    because: str, evidence: Mapping[str, tuple[float | None, float | None]], settings: Mapping[str, object], words: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for literal, name, form, _ in Formatter().parse(because):
        if name is None:
            yield literal, ""
            continue
        first, _, side = name.partition(".")
        if name in words or name in ROW_WORDS:
            yield literal, words.get(name, _NOT_YET)
        elif name in settings:
            yield literal, _setting(name, settings[name], form or "")
        elif name == "evidence":
            yield literal, _observed(evidence)
        elif first in evidence and side in _SIDES:
            yield literal, _number(name, evidence[first][_SIDES.index(side)], form or "")
        else:
            raise PlanError(_names_nothing(name, evidence, settings))


def _names_nothing(name: str, evidence: Mapping[str, object], settings: Mapping[str, object]) -> str:
    if "." in name:
        there = listed(sorted(evidence)) if evidence else "none"
        return f"because: {{{name}}} names no evidence; there is {there}."
    return f"because: {{{name}}} names nothing; there is {listed([*ROW_WORDS, *settings, *(f'{e}.observed' for e in evidence)])}."


def _setting(name: str, value: object, form: str) -> str:
    if isinstance(value, timedelta):
        return spell(value)
    return _formatted(name, value, form)


def _observed(evidence: Mapping[str, tuple[float | None, float | None]]) -> str:
    """What was observed, and what is usual where that is known."""
    usual = {name: "" if expected is None else f" (usually {_short(expected)})" for name, (_, expected) in evidence.items()}
    told = [f"{name} {_short(observed)}{usual[name]}" for name, (observed, _) in evidence.items() if observed is not None]
    return listed(told) if told else _NOT_YET


def _short(value: float) -> str:
    return f"{value:,.0f}" if 100 <= abs(value) < 1e12 else f"{value:.3g}"


def _number(name: str, value: float | None, form: str) -> str:
    return _NOT_YET if value is None else _formatted(name, value, form)


def _formatted(name: str, value: object, form: str) -> str:
    try:
        return format(value, form)
    except ValueError as error:
        raise PlanError(f"because: {{{name}:{form}}}: {error}.") from error


def _face(name: str, value: object, face: type) -> None:
    if value is not None and not isinstance(value, face):
        raise PlanError(f"{name}: a {face.__name__} is wanted; {described(value)}.")
