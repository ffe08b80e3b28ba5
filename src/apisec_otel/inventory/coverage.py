"""What can be judged of each service: which columns its requests lack, and which detectors are blind for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from apisec_otel.inventory.hints import hint
from apisec_otel.plan.blind import blind, vital
from apisec_otel.plan.build import native_name
from apisec_otel.plan.draft import Draft
from apisec_otel.plan.node import Graph

ENOUGH: Final = 20
"""Requests looked at before a column counts as missing."""
PARTLY: Final = 0.1
"""A vital column that is missing in more than this share of requests is told."""
THRESHOLD: Final = ("ot", "th")
"""Member and key of the tracestate that say with which probability a span was sampled."""
SERVICES: Final = 1000
"""Services told apart; requests of others are counted."""
SILENT: Final = 30.0
"""A silence that should have held this many requests is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A column that requests of a service lack, and what that costs."""

    column: str
    missing: float
    """Share of the requests looked at, 0 to 1."""
    blind: tuple[str, ...]
    """Detectors that cannot raise on those requests."""
    setting: str
    """What to set so that the column is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCoverage:
    """What is known of one service's telemetry."""

    service: str
    environment: str
    requests: int
    scopes: tuple[str, ...]
    """Instrumentation scopes, the most frequent first."""
    blind: tuple[str, ...]
    """Detectors that can never raise here."""
    gaps: tuple[Gap, ...]
    """The worst first."""
    sampled: float | None
    """Share of requests that reach us, where their tracestate says it."""
    silences: int
    """Times that a busy service told nothing for a batch interval."""
    silent_seconds: int
    silent_at: int
    """When the latest began, ns since 1970."""
    silent_now: float
    """Seconds since its latest request, when so many should have come meanwhile that it is no chance; else 0."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> ServiceCoverage:
        """What `as_json` gave, after a way through JSON."""
        gaps = tuple(Gap(**{**gap, "blind": tuple(gap["blind"])}) for gap in told["gaps"])
        return cls(**{**told, "gaps": gaps, "scopes": tuple(told["scopes"]), "blind": tuple(told["blind"])})


class Coverage:
    """Reads the tallies of the native step in the light of the detectors that run."""

    def __init__(self, graph: Graph, drafts: Iterable[Draft], columns: Mapping[str, Collection[str]]) -> None:
        self._graph, self._drafts, self._read = graph, list(drafts), columns
        self._vital = vital(graph, self._drafts, columns)
        self.columns = sorted({name for names in columns.values() for name in names} | {"principal", "client", "route"})
        """What is looked at in each request."""

    def for_native(self, every: int) -> dict[str, object]:
        """What the native step takes; it looks at one request of so many."""
        columns = [native_name(self._graph, name) for name in self.columns]
        return {"columns": columns, "every": every, "services": SERVICES, "threshold": list(THRESHOLD)}

    def of(self, tallies: Iterable[Mapping[str, Any]], now: int) -> list[ServiceCoverage]:
        """One entry a service, by the number of its requests; `now` is stream time (ns)."""
        services = [self._service(each, now) for each in tallies]
        return sorted(services, key=lambda each: (-each.requests, each.service, each.environment))

    def _service(self, tally: Mapping[str, Any], now: int) -> ServiceCoverage:
        scopes = [name for name, _ in sorted(tally["scopes"], key=lambda pair: -pair[1]) if name]
        shares = {name: count / max(1, tally["asked"]) for name, count in zip(self.columns, tally["missing"], strict=True)}
        judged = tally["asked"] >= ENOUGH
        never = {name for name, share in shares.items() if share == 1.0} if judged else set()
        gaps = [self._gap(name, share, scopes) for name, share in shares.items() if judged and share > 0]
        told = [gap for gap in gaps if gap.missing == 1.0 or (gap.blind and gap.missing > PARTLY)]
        quiet = (now - tally["last"]) / 1e9
        return ServiceCoverage(
            service=tally["name"] or "(no service.name)",
            environment=tally["environment"],
            requests=tally["requests"],
            scopes=tuple(scopes),
            blind=tuple(sorted(blind(self._graph, self._drafts, never))),
            gaps=tuple(sorted(told, key=lambda gap: (-len(gap.blind) * gap.missing, -gap.missing, gap.column))),
            sampled=tally["sampled"] / tally["represented"] if tally["represented"] else None,
            silences=tally["silences"],
            silent_seconds=tally["silent_seconds"],
            silent_at=tally["silent_at"],
            silent_now=quiet if quiet > 0 and quiet * tally["rate"] >= SILENT else 0.0,
        )

    def _gap(self, column: str, share: float, scopes: list[str]) -> Gap:
        blinded = tuple(sorted(id for id, names in self._vital.items() if column in names))
        return Gap(column=column, missing=share, blind=blinded, setting=hint(column, scopes))
