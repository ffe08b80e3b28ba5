"""Requests that arrive shuffled by less than 6 s, twice, and cut anyhow are judged in order as if they had not."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.otlp import call, request

from apisec_otel.builtin import known
from apisec_otel.cli.options import packaged
from apisec_otel.cli.replay_engine import engine_of
from apisec_otel.config import read

WAIT = 6
ALONE = [f"processors::detect::detectors::{id}::mode=off" for id in known("detectors") if id != "bola_walk"]


def calls(chance: random.Random, count: int) -> list[tuple[float, Span]]:
    """Callers that walk, some of them at the very same moments, and some that go anywhere."""
    at, told = 0.0, []
    for number in range(1, count + 1):
        at += chance.choice([0, 0, 0.2, 0.7, 1.0])
        user = chance.choice(["ann", "ben", "eve"])
        thing = number if user == "ann" else 10_000 - 2 * number if user == "ben" else chance.randint(1, 10_000)
        told.append((at, call(number, f"/orders/{thing}", at=at, user=user, status=chance.choice([200, 403]))))
    return told


def judged(requests: list[bytes]) -> list[object]:
    """What is raised, and every request with its score, in the order of judging."""
    engine = engine_of(read([str(packaged("replay"))], ALONE))
    told: list[object] = []
    for each in [*requests, None]:
        answer = engine.finish() if each is None else engine.process([each])
        assert answer is not None
        told += [(one.detector, one.span_id, one.entity, one.level, one.suppressed, one.reason) for one in answer.findings]
        if len(answer.rows):
            ids = [row.tobytes() for row in engine.view(answer.rows)["span_id"]]
            told += zip(ids, answer.scores["bola_walk"].tolist(), answer.learning.tolist(), strict=True)
    return sorted(told, key=repr)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 120), apart=st.floats(0, WAIT, exclude_max=True))
def test_the_order_of_arrival_changes_nothing(seed: int, count: int, apart: float) -> None:
    chance = random.Random(seed)
    told = calls(chance, count)
    twice = [(at + chance.uniform(0, apart), span) for at, span in told for _ in range(chance.choice([1, 1, 2]))]
    arrived = [span for _, span in sorted(twice, key=lambda one: one[0])]
    cuts = sorted({0, len(arrived), *(chance.randint(0, len(arrived)) for _ in range(chance.randint(0, 20)))})
    parts = [request(*arrived[start:end]) for start, end in zip(cuts, cuts[1:], strict=False)]
    assert judged(parts) == judged([request(*(span for _, span in told))])
