"""When requests that are judged in order are released, and what becomes of those that come too late or are too many."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from tests.otlp import SECOND, START, call, request, span

from apisec_otel import _native, semconv
from apisec_otel.assembly import native_rows
from apisec_otel.processors.requests import Requests

WORDS = _native.Vocabulary(semconv.vocabulary_json(), bytes(16))
VIEW = native_rows()


class Held:
    """Requests placed in time by the clock, then held; `took` is what each request releases, as numbers of spans."""

    def __init__(self, max_bytes: int = 1 << 20) -> None:
        settings = Requests()
        self.requests: Any = _native.Requests(_json(settings.for_native()), WORDS)
        self.steps: Any = _native.Steps(_json({"bytes": max_bytes}))

    def came(self, *spans: Any, at: float) -> list[int]:
        batch = _native.decode([request(*spans)], WORDS)
        self.requests.process(batch, START + round(at * SECOND))
        return numbers(self.steps.process(batch))


def numbers(released: Any) -> list[int]:
    batch = released[0]
    return [int.from_bytes(row.tobytes(), "big") for row in VIEW(batch)["span_id"]] if len(batch) else []


def _json(settings: Any) -> str:
    return json.dumps(settings)


def test_a_request_waits_six_seconds_for_those_before_it() -> None:
    held = Held()
    assert held.came(call(2, at=0.9), at=1) == []
    assert held.came(call(1, at=0.5), at=6) == []
    assert held.came(call(3, at=6.5), at=7) == [], "the first is 6 s old, and what began with it may still come"
    assert held.came(call(4, at=7), at=7) == [1, 2]
    assert held.steps.counts() == {"late": 0, "hurried": 0, "held": 2, "bytes": held.steps.counts()["bytes"]}
    assert numbers(held.steps.drain()) == [3, 4]
    assert (held.steps.counts()["held"], held.steps.counts()["bytes"]) == (0, 0)


def test_requests_of_one_moment_stand_by_trace_and_span() -> None:
    held = Held()
    held.came(*(span(n, {"http.request.method": "GET"}, trace=trace) for n, trace in ((9, 3), (2, 5), (4, 3))), at=0.1)
    assert numbers(held.steps.drain()) == [4, 9, 2]


def test_what_comes_after_its_time_is_judged_last_and_counted() -> None:
    held = Held()
    held.came(call(1, at=0), call(5, at=5.5), at=6)
    assert held.came(call(6, at=10), at=10) == [1]
    assert held.came(call(2, at=2), at=11) == []
    assert held.came(call(7, at=12.5), at=13) == [5, 2], "behind what was on time"
    assert held.steps.counts()["late"] == 1


def test_time_that_passes_without_a_request_releases_as_well() -> None:
    held = Held()
    held.came(call(1, at=0), at=0)
    assert numbers(held.steps.advance(START + 6 * SECOND)) == []
    assert numbers(held.steps.advance(START + 7 * SECOND)) == [1]


def test_where_a_release_stands_in_the_batch_does_not_depend_on_the_cut() -> None:
    spans = [call(n, at=n) for n in range(20)]
    whole, cut = Held(), Held()
    batch = _native.decode([request(*spans)], WORDS)
    whole.requests.process(batch, None)
    before = np.frombuffer(whole.steps.process(batch)[2], np.uint32).tolist()
    alone: list[int] = []
    for row, one in enumerate(spans):
        alone += [row] * len(cut.came(one, at=row))
    assert before == alone


def test_over_its_cap_the_earliest_are_judged_at_once() -> None:
    held = Held(max_bytes=8 << 10)
    released = held.came(*(call(n, at=n / 100) for n in range(1, 101)), at=1)
    counts = held.steps.counts()
    assert released and released == sorted(released)
    assert counts["hurried"] >= len(released)
    assert counts["bytes"] <= 8 << 10
    assert sorted(released + numbers(held.steps.drain())) == list(range(1, 101)), "each is judged once"


def test_the_texts_that_a_finding_names_stay() -> None:
    held = Held()
    held.came(call(1, at=0, agent="curl/8"), call(2, at=0, agent="x" * 1000), at=0)
    batch = held.steps.drain()[0]
    assert [batch.text(0, column) for column in ("service", "method", "route", "client", "agent", "path")] == [
        "shop", "GET", "/orders/{id}", "203.0.113.7", "curl/8", None,
    ]  # fmt: skip
    assert batch.text(1, "agent") == "x" * 256


def test_what_comes_after_a_drain_waits_as_ever_and_counts_at_its_own_time() -> None:
    """A reload drains and goes on."""
    held = Held()
    held.came(call(1, at=10), at=10)
    assert numbers(held.steps.drain()) == [1]
    held.came(call(3, at=11.5), at=12)
    assert held.came(call(2, at=11), at=12) == []
    batch = held.steps.drain()[0]
    assert [int(row["stream"]) for row in VIEW(batch)] == [START + round(at * SECOND) for at in (11, 11.5)]
    assert held.steps.counts()["late"] == 0


def test_rows_at_the_end_of_time_are_judged_too() -> None:
    plan = _native.Plan(json.dumps({"version": 1, "nodes": [{"op": "column", "kind": "id", "settings": {"name": "client"}}]}))
    times = np.array([2**63 - 1] * 3, np.int64)
    answers = plan.run_columns({"client": np.array([1, 2, 3], np.uint64)}, times, values=[0])
    assert np.frombuffer(answers.values[0], np.uint64).tolist() == [1, 2, 3]
