"""A place: one environment with its services, its API, its people and what they own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from examples.lab.calls import Call, Caller
from examples.lab.flows import Change, Flow, Layout, Operation, Service
from examples.lab.population import Population
from examples.lab.spans import Piece


@dataclass(frozen=True)
class Api:
    """What a place's file says of it."""

    name: str
    host: str
    services: Sequence[Service]
    operations: Mapping[str, Operation]
    """By `METHOD /route`, the route in braces whatever the stack writes."""
    roles: Mapping[str, str]
    """Operations by what attacks use them for: login, search, object, ..."""
    auth: Piece | None
    """The check that most requests begin with."""
    remembered: Piece | None
    """What stands in its place where the answer is kept for a while."""
    remembers: float
    """How often that is."""
    day: Sequence[float]
    """Weight of each hour of a day."""
    weekend: float
    """How busy a Saturday or Sunday is beside another day."""
    share: float
    """Of all requests."""
    population: Callable[[Random, float], Population]
    """Its people, at a scale."""
    deploys: Sequence[tuple[str, int]]
    """Service and hour of each deploy of a working day."""


@dataclass
class Place:
    """An API while it runs: flows are kept by what makes them differ."""

    api: Api
    people: Population
    _flows: dict[tuple[int, int, bool, int], Flow] = field(default_factory=dict)
    release: int = 1
    """Of the service that answers most."""

    def __post_init__(self) -> None:
        self.layout = Layout(self.api.services, self.api.host)

    def call(
        self,
        chance: Random,
        caller: Caller,
        name: str,
        *parts: object,
        query: str = "",
        status: int = 200,
        size: int = 0,
        fill: str = "",
        took: float = 0.0,
        change: Change | None = None,
    ) -> Call:
        """One request to an operation, by name or role; without size or seconds as the operation is."""
        operation = self.operation(name)
        flow = self._flow(chance, operation, status) if change is None else self._changed(chance, operation, status, change)
        path = operation.path % parts if parts else operation.path
        if not size:
            size = int(operation.size * chance.lognormvariate(0, 0.35)) if status < 400 else 120
        if not took:
            took = operation.took * chance.lognormvariate(0, 0.4) * (1.0 if status < 400 else 0.5)
        return Call(flow, path, query, status, caller, size, min(took, 60.0), fill, str(parts[-1]) if parts else "")

    def missing(
        self,
        chance: Random,
        caller: Caller,
        method: str,
        path: str,
        *,
        query: str = "",
        status: int = 404,
        change: Change | None = None,
    ) -> Call:
        """A request that no route matches."""
        operation = self.api.operations.get(f"{method} *") or self.api.operations["GET *"]
        flow = self._flow(chance, operation, status) if change is None else self._changed(chance, operation, status, change)
        return Call(flow, path, query, status, caller, 140, 0.004 * chance.lognormvariate(0, 0.4))

    def operation(self, name: str) -> Operation:
        """An operation by its name or its role. KeyError: the place has none."""
        return self.api.operations[self.api.roles.get(name, name)]

    def _flow(self, chance: Random, operation: Operation, status: int) -> Flow:
        cached = self.api.remembers > 0 and chance.random() < self.api.remembers
        key = (operation.number, status, cached, self.release)
        flow = self._flows.get(key)
        if flow is None:
            if len(self._flows) > 8192:
                self._flows.clear()
            flow = self._flows[key] = self.layout.flow(operation, status, self._auth(cached, status), self.release)
        return flow

    def _changed(self, chance: Random, operation: Operation, status: int, change: Change) -> Flow:
        cached = self.api.remembers > 0 and chance.random() < self.api.remembers
        return self.layout.flow(operation, status, self._auth(cached, status), self.release, change)

    def _auth(self, cached: bool, status: int) -> Piece | None:
        # Who is refused was not remembered as somebody who may.
        return self.api.remembered if cached and status not in (401, 403) else self.api.auth
