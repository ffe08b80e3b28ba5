"""A session that is a machine's, or that tries what is refused: evidence that adds up from page to page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Final

from apisec_otel.api import Number, Severity, Signal, State, Step, exp, maximum, when

_OF = "{hits.observed:.0f} of {trials.observed:.0f} "

CHANNELS: Final[dict[str, tuple[Severity, str]]] = {
    "probe": ("medium", _OF + "new addresses refused; of people's at most {hits.expected:.0f}"),
    "fuzz": ("medium", _OF + "queries of a form not seen before in the session; of people's at most {hits.expected:.0f}"),
    "rhythm": ("low", _OF + "waits as long as those before, within 20 %; of people's {hits.expected:.0f}"),
    "restless": ("low", _OF + "pages left within 10 s; people leave {hits.expected:.0f}"),
    "unloaded": ("low", _OF + "pages without what they load; among visitors who load anything {hits.expected:.0f}"),
}
"""How severe each channel is, and what is said of it. The words follow the fact: who varies queries need not attack."""


@dataclass(frozen=True, kw_only=True)
class SessionEvidence:
    """A session whose pages, waits, queries or refusals no person has.

    Five channels count, page by page, how much likelier the session is a machine's than a person's. The mean of what they found
    is held against q; being a mean, it holds however the channels depend on each other. What people do is partly learned from
    the service's own sessions, and can be learned more lenient only so far, so that machines do not buy themselves out.
    """

    owasp: ClassVar[str] = "API4:2023"
    reference: ClassVar[str] = "docs/playbooks/session_evidence.md"
    technique: ClassVar[str] = "T1595"
    severity: ClassVar[Severity] = "low"
    background: ClassVar[bool] = True

    def signals(self, row: Step, state: State) -> Iterator[Signal]:
        """Raised, by the strongest channel, at each request of a session whose evidence is enough."""
        part = partial(state.conduct, row=row)
        p = exp(-maximum(part("evidence"), 0))
        best = {channel: part(f"best.{channel}") for channel in CHANNELS}
        first, *rest = best.values()
        strongest = maximum(first, *rest)
        for channel, (severity, because) in CHANNELS.items():
            trials = part(f"trials.{channel}")
            yield Signal(
                p=when(best[channel] >= strongest, p, nothing(p)),
                severity=severity,
                entity=row.session,
                evidence={"hits": (part(f"hits.{channel}"), trials * part(f"null.{channel}")), "trials": trials},
                because=because,
            )


def nothing(number: Number) -> Number:
    """A number that is missing."""
    return number / 0
