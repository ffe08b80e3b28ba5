"""Guessing of passwords, found by how often logins fail."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from apisec_otel.api import Request, Severity, Share, Signal, State, Within, exp, minimum


@dataclass(frozen=True, kw_only=True)
class AuthBruteforce:
    """Logins from one client fail as those of a guesser do, not as those of people who mistype.

    A threshold random walk: each failure speaks for a guesser, each success against, and both fade. Seven failures in a row
    raise it; three mistyped passwords do not, nor an office behind one address where one login of ten fails. It looks at
    clients only: a failed login carries no principal, so the account under attack is not in the row.
    """

    owasp: ClassVar[str] = "API2:2023"
    reference: ClassVar[str] = "docs/playbooks/auth_bruteforce.md"
    technique: ClassVar[str] = "T1110.001"
    severity: ClassVar[Severity] = "high"

    normal: Share = 0.1
    """Part of the logins that fail for people."""
    attack: Share = 0.6
    """Part of the logins that fail for one who guesses."""
    half_life: Within = timedelta(minutes=30)
    """After so long a failure counts half."""
    false_alarms: Share = 1e-5
    """Part of the honest clients that may be raised."""

    def signals(self, row: Request, state: State) -> Iterator[Signal]:
        """Raised at each login of a client past the odds, the one that succeeds at last included."""
        odds = state.trw(row.login_failed, by=row.client, where=row.login, normal=self.normal, attack=self.attack, half_life=self.half_life)
        yield Signal(
            when=row.login & (odds >= math.log(0.99 / self.false_alarms)),
            p=minimum(1, exp(-odds)),
            entity=row.client,
            evidence={
                "failures": state.count(by=row.client, where=row.login_failed, within=self.half_life),
                "logins": state.count(by=row.client, where=row.login, within=self.half_life),
            },
            because="{failures.observed:.0f} of {logins.observed:.0f} logins of one client failed within {half_life}",
        )
