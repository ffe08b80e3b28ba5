"""What an executor raises becomes typed objects with their sentences."""

from __future__ import annotations

import math
from typing import Any

import pytest

from apisec_otel.detectors.bola_enumeration import BolaEnumeration
from apisec_otel.plan.build import build
from apisec_otel.plan.draft import Chosen
from apisec_otel.plan.engine import Engine, score


class Fake:
    """An executor that raises what it was given."""

    def __init__(self, *raised: Any) -> None:
        self.raised, self.ranks = list(raised), ()

    def run(self, batch: Any, ask_all: bool = False) -> Any:
        return self

    def tables(self) -> list[dict[str, Any]]:
        return [{"entries": 3}]


def _engine(*raised: Any) -> Engine:
    return Engine(build([Chosen(id="bola_enumeration", detector=BolaEnumeration())]), Fake(*raised))


def test_raised_is_told_in_a_sentence() -> None:
    """Evidence, setting and endpoint stand in the sentence."""
    (raised,) = _engine((4, 0, 1e-6, 3, 99, [(61.0, 18.0)])).observe(
        None, lambda row: {"endpoint": f"shop GET /orders/{{id}} of row {row}"}
    )
    assert raised.sentence == "61 objects of shop GET /orders/{id} of row 4 in 10 min; what 999 of 1,000 others stay at or under: 18"
    assert (raised.row, raised.detector, raised.severity, raised.entity_type, raised.entity) == (
        4,
        "bola_enumeration",
        "high",
        "principal",
        99,
    )
    assert raised.evidence == {"objects": (61.0, 18.0)}
    assert raised.score == pytest.approx(0.5)


def test_missing_evidence_is_not_yet_known() -> None:
    """A baseline without teachers is named so, not as nan."""
    (raised,) = _engine((0, 0, 1e-4, 3, 99, [(21.0, math.nan)])).observe(None, lambda row: {"endpoint": "shop GET /orders/{id}"})
    assert raised.sentence == "21 objects of shop GET /orders/{id} in 10 min; what 999 of 1,000 others stay at or under: not yet known"
    assert raised.evidence == {"objects": (21.0, None)}


@pytest.mark.parametrize(("p", "expected"), [(1.0, 0.0), (1e-6, 0.5), (1e-12, 1.0), (0.0, 1.0)])
def test_score(p: float, expected: float) -> None:
    """Twelfths of -log10(p), held to 0 and 1."""
    assert score(p) == pytest.approx(expected)


def test_tables_are_passed_on() -> None:
    """Metrics come from the executor."""
    assert _engine().tables() == [{"entries": 3}]
