"""A request that says what requests to that place do not say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from apisec_otel.api import LOW, MEDIUM, Request, Severity, Signal, State, known, when


@dataclass(frozen=True, kw_only=True)
class RequestAnomaly:
    """A value, a path or a set of parameters as hardly any request to the endpoint has.

    What is unusual is learned by the processor `payloads` from all requests, without labels: characters, length and shape of
    each parameter's values, the tree of paths, the names of parameters. Beside that, syntax of SQL, markup, commands and the
    like counts at once, and learning forgives it only so far. It finds what is new, not what is known to be bad: keep rules
    (CRS) beside it where you have them.
    """

    owasp: ClassVar[str] = "API8:2023"
    reference: ClassVar[str] = "docs/playbooks/request_anomaly.md"
    technique: ClassVar[str] = "T1190"
    severity: ClassVar[Severity] = "medium"
    background: ClassVar[bool] = True

    def signals(self, row: Request, state: State) -> Iterator[Signal]:
        """Raised below q, where somebody is known to have asked; low where he was refused, for then nothing came of it."""
        refused = row.failed & (row.status < 500)
        yield Signal(
            p=when(known(row.actor), row.payload_p, row.payload_p / 0),
            entity=row.actor,
            severity=when(refused, LOW, MEDIUM),
            evidence={"nats": (row.payload_score, row.payload_usual)},
            because="{endpoint}: {payload}; {nats.observed:.1f} nats unusual, where 19 of 20 requests are under {nats.expected:.1f}",
        )
