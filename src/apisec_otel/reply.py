"""What an exporter answers for what it was given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Reply:
    """`accepted`, or refused with the reason; `retryable` when the same bytes may be accepted later."""

    accepted: bool
    retryable: bool = False
    message: str = ""


ACCEPTED: Final = Reply(True)
