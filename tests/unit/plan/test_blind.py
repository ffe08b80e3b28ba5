"""What a detector can be without a column, from its declaration alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

import pytest

from apisec_otel.api import Request, Severity, Signal, State, exp, known, maximum, minimum, when
from apisec_otel.builtin import load
from apisec_otel.plan.blind import blind
from apisec_otel.plan.draft import Chosen, Detector, draft

HOUR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One signal, made by a function."""

    owasp: ClassVar[str] = "API1:2023"
    severity: ClassVar[Severity] = "low"
    number: int = 0

    def signals(self, row: Request, state: State) -> Iterator[Signal]:
        count = state.count(by=row.client, where=row.denied, within=HOUR)
        ways = [
            {"when": count > 3},
            {"when": count >= 0},
            {"when": (count > 3) | row.failed},
            {"when": ~known(row.principal)},
            {"when": maximum(row.status, 500) > 400},
            {"when": minimum(row.status, 500) > 400},
            {"p": minimum(1, exp(-count))},
            {"when": when(row.login, row.status, 0.0) > 100},
            {"p": state.tail(count, by=row.endpoint, taught_by=row.principal)},
        ]
        yield Signal(entity=row.session, because="", **ways[self.number])


def is_blind(detector: Detector, *missing: str) -> bool:
    graph, drafts = draft([Chosen(id="it", detector=detector)])
    return bool(blind(graph, drafts, missing))


@pytest.mark.parametrize(
    ("number", "blinding", "harmless"),
    [
        (0, ["client", "denied", "session"], ["principal", "failed"]),
        (1, ["client"], ["denied"]),  # nothing counted is 0, and 0 >= 0
        (2, [], ["client", "denied", "failed"]),
        (3, [], ["principal"]),
        (4, [], ["status"]),
        (5, [], ["status"]),
        (6, ["client", "denied"], []),
        (7, ["status", "login"], []),
        (8, ["client", "endpoint", "principal"], []),
    ],
)
def test_only_what_it_cannot_do_without_blinds_it(number: int, blinding: list[str], harmless: list[str]) -> None:
    detector = Shown(number=number)
    assert not is_blind(detector)
    assert [name for name in blinding if not is_blind(detector, name)] == []
    assert [name for name in harmless if is_blind(detector, name)] == []


def test_two_ways_blind_only_together() -> None:
    assert is_blind(Shown(number=2), "client", "failed")
    assert is_blind(load("detectors", "scan_probing")(), "client", "principal")
    assert not is_blind(load("detectors", "scan_probing")(), "principal")
