"""A call of which a gateway and an application tell is one request, in whatever order and cut the two arrive."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.calls import behind, front, sent

from apisec_otel.cli.options import packaged
from apisec_otel.cli.replay_engine import engine_of
from apisec_otel.config import read
from apisec_otel.findings.rows import Mark, marked

SET = ["processors::requests::gateways=[edge]"]


def halves(chance: random.Random, count: int) -> list[tuple[float, Span]]:
    """Calls that two tell of, and some that the gateway answers itself; every one at a time of its own."""
    told: list[tuple[float, Span]] = []
    for number in range(1, count + 1):
        at = 0.1 * number
        path = f"/orders/{chance.randint(1, 9)}"
        if chance.random() < 0.2:
            told.append((at, front(number, path, at=at, status=404)))
            continue
        told.append((at, front(number, path, at=at)))
        # Under a path of its own: the gateway is named.
        told.append((at, behind(number, f"/v1{path}", at=at, user=chance.choice(["ann", "ben"]), agent=None)))
    return told


def judged(batches: list[list[bytes]], *, arrived: bool) -> list[object]:
    """Every request as it is judged in order, and what is said of it: also by what it is as it comes, only if `arrived`.

    Paths without a route are named by what was learned until they came, so their endpoints and walks are left out.
    """
    engine = engine_of(read([str(packaged("replay"))], SET))
    told: list[object] = []
    for each in [*batches, None]:
        answer = engine.finish() if each is None else engine.process(each)
        assert answer is not None
        told += [(one.detector, one.span_id, one.level) for one in answer.findings if arrived]
        if not len(answer.rows):
            continue
        rows = engine.view(answer.rows)
        joined = marked(rows, Mark.JOINED)
        walks = np.where(joined, answer.scores["bola_walk"], 0)
        seen = {name: scores.tolist() for name, scores in answer.scores.items()} if arrived else {"bola_walk": walks.tolist()}
        columns = [rows[name].tolist() for name in ("client", "principal", "user_agent")]
        told += zip([id.tobytes() for id in rows["span_id"]], joined.tolist(), *columns, *seen.values(), strict=True)
    return sorted(told, key=repr)


def cut(chance: random.Random, arrived: list[bytes]) -> list[list[bytes]]:
    """The same requests in other batches."""
    cuts = sorted({0, len(arrived), *(chance.randint(0, len(arrived)) for _ in range(chance.randint(0, 20)))})
    return [arrived[start:end] for start, end in zip(cuts, cuts[1:], strict=False)]


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 100), apart=st.floats(0, 5.9))
def test_in_order_of_time_nothing_depends_on_arrival(seed: int, count: int, apart: float) -> None:
    chance = random.Random(seed)
    told = halves(chance, count)
    arrived = [each for _, each in sorted(((at + chance.uniform(0, apart), each) for at, each in told), key=lambda one: one[0])]
    straight = judged([[sent(each)] for _, each in told], arrived=False)
    assert judged(cut(chance, [sent(each) for each in arrived]), arrived=False) == straight


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 100), apart=st.floats(0, 9))
def test_no_cut_changes_anything(seed: int, count: int, apart: float) -> None:
    chance = random.Random(seed)
    late = sorted(((at + chance.uniform(0, apart), each) for at, each in halves(chance, count)), key=lambda one: one[0])
    arrived = [sent(each) for _, each in late]
    assert judged(cut(chance, arrived), arrived=True) == judged([[each] for each in arrived], arrived=True)
