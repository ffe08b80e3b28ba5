"""One client's wild clock moves no other client's time: sessions and findings are the same with its spans mixed in and without."""

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.otlp import SECOND, START, request, span

from apisec_otel import _native
from apisec_otel.assembly import native_rows, native_vocabulary, vocabulary_of
from apisec_otel.cli.options import packaged
from apisec_otel.component import Host
from apisec_otel.config import read
from apisec_otel.spans.batch import SpanBatch

DAY = 86_400 * SECOND
LAST = 2**64 - 1
GET = {"http.request.method": "GET", "http.response.status_code": 200, "http.route": "/orders/{id}"}


def _call(number: int, user: str, start: int, end: int, order: int) -> Span:
    made = span(number, {**GET, "user.id": user, "url.path": f"/orders/{order}"})
    made.start_time_unix_nano, made.end_time_unix_nano = start, end
    return made


def _honest() -> list[tuple[int, Span]]:
    """Forty users who read two orders each, and one who reads sixty; when each span is received, in order."""
    calls = []
    for number in range(1_200):
        user = "walker" if 700 <= number < 760 else f"user{number % 40}"
        order = number if user == "walker" else 2 * (number % 40) + number % 2
        start = START + number * SECOND // 2
        calls.append((start + SECOND // 100, _call(number + 1, user, start, start + SECOND // 100, order)))
    return calls


Clocks = Sequence[Callable[[int], tuple[int, int]]]
"""What a wild client says of start and end, by the true time."""

WILD: Clocks = (
    lambda now: (now - DAY, now - DAY),
    lambda _: (0, 0),
    lambda _: (LAST, LAST),
    lambda _: (LAST, 0),
    lambda _: (0, LAST),
    lambda _: (2**63, 2**63),
    lambda now: (now + 2 * DAY, now),
    lambda now: (now, now - SECOND),
)
AHEAD: Clocks = (lambda now: (now + DAY, now + DAY), lambda now: (now + 3_600 * SECOND, now))


def _mixed(wild: Clocks, seed: int) -> Iterator[tuple[int, Span]]:
    """The honest spans and, between two of them at times, a wild one; at times that comes twice."""
    random = Random(seed)
    for number, (received, honest) in enumerate(_honest()):
        yield received, honest
        if wild and random.random() < 0.4:
            start, end = random.choice(wild)(received)
            yield received, _call(10_000 + number // 2, "wild", start, end, number)


def _judged(wild: Clocks, *, live: bool, seed: int) -> tuple[dict[int, int], set[tuple[Any, ...]]]:
    """The session of each honest span, and the findings on them."""
    now = [0]
    config = read([str(packaged("default"))], [])
    words = native_vocabulary(vocabulary_of(config, bytes(16)))
    host = Host(vocabulary=words, view=native_rows(), received=lambda: now[0] if live else None)
    (pipeline,) = [each for each in config.pipelines if str(each.id) == "traces"]
    steps: list[Any] = [each.settings.build(host) for each in pipeline.processors if each.id.type != "memory_limiter"]
    sessions, findings = {}, set()
    for received, each in _mixed(wild, seed):
        now[0] = received
        batch = SpanBatch(_native.decode([request(each)], words))
        for step in steps:
            step.process(batch)
        number = int.from_bytes(each.span_id, "big")
        if number < 10_000:
            sessions[number] = int(host.view(batch.native)["session"][0])
        ids = ((int.from_bytes(finding.span_id, "big"), finding) for finding in batch.findings)
        findings |= {(id, finding.detector, finding.level, finding.suppressed) for id, finding in ids if id < 10_000}
    return sessions, findings


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("live", "wild"), [(True, (*WILD, *AHEAD)), (False, WILD)], ids=["live", "replay"])
def test_a_wild_clock_changes_nothing_for_others(live: bool, wild: Clocks, seed: int) -> None:
    alone = _judged((), live=live, seed=seed)
    assert any(detector == "bola_enumeration" for _, detector, *_ in alone[1])
    assert _judged(wild, live=live, seed=seed) == alone
