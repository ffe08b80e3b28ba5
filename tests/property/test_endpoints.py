"""Endpoints of paths without a route: the same under any cut, and in a process that takes over at any request."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import random_cuts
from tests.otlp import call, request

from apisec_otel.config import read
from apisec_otel.testing.built import Built

STEPS = """
receivers: {otlp: {protocols: {http: {endpoint: "localhost:0"}}}}
processors: {requests: {}, endpoints: {max_endpoints: 400, max_templates: 200, template_memory: 64KiB}}
exporters: {debug: {}}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {traces: {receivers: [otlp], processors: [requests, endpoints], exporters: [debug]}}
"""
POOLS = (3, 15, 40, 150, 500)
"""So many words stand in a place of a path: too few for a variable, just enough, and more than there is room for."""
ENDPOINT = ("route", "endpoint", "object_id")


def steps() -> Built:
    """One process."""
    return Built(read(["yaml:" + STEPS]))


def traffic(seed: int, count: int) -> list[bytes]:
    """Requests of two services; few words are often said, many once or twice, so that levels become variables at any time."""
    chance = random.Random(seed)
    pools = {(service, depth): chance.choice(POOLS) for service in range(2) for depth in range(3)}
    made, at = [], 0.0
    for number in range(1, count + 1):
        at += chance.choice((0.01, 0.1, 0.4, 2.0))
        service = chance.randrange(2)
        words = [f"w{_rare(chance, pools[service, depth])}".translate(LETTERS) for depth in range(chance.choice((1, 2, 2, 3)))]
        told = call(number, "/" + "/".join(words), route=chance.choice((None, None, None, "/given/:id")), at=at,
                    status=chance.choice((200, 200, 200, 404)), method=chance.choice(("GET", "POST")))  # fmt: skip
        made.append(request(told, resource={"service.name": f"shop{service}"}))
    return made


LETTERS = str.maketrans("0123456789", "abcdefghij")
"""Words, not values: digits would be variables at once."""


def _rare(chance: random.Random, count: int) -> int:
    return min(chance.randrange(count), chance.randrange(count) if chance.random() < 0.5 else count)


def endpoints(built: Built, requests: list[bytes], cuts: list[int]) -> Any:
    """Of each request of the stream cut so."""
    rows = np.concatenate([built.view(built.take(*requests[start:end]).native) for start, end in pairwise(cuts)])
    return np.array([rows[column] for column in ENDPOINT])


def resumed(first: Built) -> Built:
    """A process that goes on with what another one kept."""
    second = steps()
    for id, part in second.parts().items():
        assert part.restore(first.parts()[id].snapshot()) == []
    return second


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32), data=st.data())
def test_neither_cuts_nor_a_restart_change_an_endpoint(seed: int, data: st.DataObject) -> None:
    count = data.draw(st.sampled_from((60, 400, 1_500)))
    cut = data.draw(st.integers(1, count - 1))
    requests = traffic(seed, count)
    expected = endpoints(steps(), requests, random_cuts(seed, count))
    first = steps()
    before = endpoints(first, requests, [0, cut])
    after = endpoints(resumed(first), requests[cut:], [0, count - cut])
    np.testing.assert_array_equal(np.concatenate([before, after], axis=1), expected)
