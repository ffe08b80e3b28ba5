"""How bad a finding is."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, Literal, get_args

Severity = Literal["info", "low", "medium", "high", "critical"]
"""As a detector's author and every output spells it."""

SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)


class Level(IntEnum):
    """A severity that compares: `Level.HIGH > Level.LOW`. The numbers are those of the plan."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def word(self) -> Severity:
        """The severity's name: `high`."""
        return SEVERITIES[self]

    @classmethod
    def of(cls, word: str) -> Level:
        """The level of a word; an unknown word is a ValueError that names the known ones."""
        if word not in SEVERITIES:
            raise ValueError(f"severity {word!r} is none of {', '.join(SEVERITIES)}")
        return cls(SEVERITIES.index(word))


LOG_SEVERITY: Final = {Level.INFO: 9, Level.LOW: 13, Level.MEDIUM: 15, Level.HIGH: 17, Level.CRITICAL: 21}
"""SeverityNumber of the log data model: INFO, WARN, WARN3, ERROR, FATAL."""
