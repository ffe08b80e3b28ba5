"""What replay tells of a detector that judges items: findings and scores are those of requests."""

from __future__ import annotations

import numpy as np
import pytest
from tests.otlp import request, span

from apisec_otel import builtin
from apisec_otel.cli.options import packaged
from apisec_otel.cli.replay_engine import engine_of
from apisec_otel.config import read

LONG = "long_parameter"


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(builtin.BUILTIN["detectors"], LONG, "tests.conformance.long_parameter:LongParameter")


def search(number: int, user: str, query: str, at: float) -> bytes:
    told = {"http.request.method": "GET", "url.path": "/search", "http.route": "/search", "url.query": query, "user.id": user}
    return request(span(number, told | {"http.response.status_code": 200, "client.address": "203.0.113.7"}, at=at))


def test_the_request_is_found_with_the_name_of_its_item_and_never_its_value() -> None:
    engine = engine_of(read([str(packaged("replay"))], [f"processors::detect::detectors::{LONG}::mode=alert"]))
    for number in range(1, 61):
        engine.process([search(number, f"reader{number}", f"q=shoes{number}&page=1", at=number)])
    odd = "secret" * 20
    judged = [engine.process([search(100 + number, "mallory", f"page=1&q={odd}", at=7200 + number)]) for number in range(2)]
    judged.append(engine.finish())
    findings = [each for one in judged for each in one.findings if each.detector == LONG]
    assert {each.reason for each in findings} == {"parameter q of shop GET /search has 120 bytes; 99 of 100 callers send at most 7"}
    assert [each.suppressed for each in findings] == [None, "dedup"]
    scores = np.concatenate([one.scores[LONG] for one in judged if one and LONG in one.scores])
    assert (scores > 0).sum() == 2


def test_no_request_is_taken_apart_while_no_detector_asks_for_items() -> None:
    engine = engine_of(read([str(packaged("replay"))], [f"processors::detect::detectors::{LONG}::mode=off"]))
    assert len(engine.plans) == 2
