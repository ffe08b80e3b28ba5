from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from apisec_otel.api import Request, Severity, Signal, State, Times, Within


@dataclass(frozen=True, kw_only=True)
class CredentialSharing:
    """One credential is used from more networks than one person moves through: stolen, or passed on."""

    owasp: ClassVar[str] = "API2:2023"
    severity: ClassVar[Severity] = "high"

    window: Within = timedelta(minutes=30)
    """Networks are counted over this long."""
    at_most: Times = 4
    """Never raised at or below this many networks."""

    def signals(self, row: Request, state: State) -> Iterator[Signal]:
        """Raised at each successful request past `at_most`."""
        networks = state.distinct(row.network, by=row.credential, where=row.succeeded, within=self.window)
        yield Signal(
            when=row.succeeded & (networks > self.at_most),
            entity=row.credential,
            evidence={"networks": (networks, self.at_most)},
            because="one credential was used from {networks.observed:.0f} networks within {window}",
        )
