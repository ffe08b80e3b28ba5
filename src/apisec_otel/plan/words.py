"""How plans speak to people: durations and messages' small parts."""

from __future__ import annotations

from datetime import timedelta

_UNITS = ((86_400, "day"), (3_600, "h"), (60, "min"), (1, "s"))


def spell(duration: timedelta) -> str:
    """The duration in the largest unit that divides it: `10 min`, `24 h`, `30 days`, `1.5 s`."""
    seconds = duration.total_seconds()
    if seconds == 86_400:
        return "24 h"
    for size, unit in _UNITS:
        if seconds >= size and seconds % size == 0:
            number = int(seconds // size)
            return f"{number} days" if unit == "day" and number > 1 else f"{number} {unit}"
    return f"{seconds:g} s"


def listed(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
