"""A score rests on its reason: without what it tells of, it falls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from apisec_otel import builtin
from apisec_otel.findings.finding import Finding
from apisec_otel.testing.scenarios import load, rows_of
from apisec_otel.testing.whole import Whole, requests

SCENARIOS = Path(__file__).parents[1] / "scenarios"
ATTACKS = [
    pytest.param(file, id=f"{id}-{file.stem}")
    for id in builtin.BUILTIN["detectors"]
    for file in sorted((SCENARIOS / id).glob("attack_*.yaml"))
]
WHO = ("user.id", "client.address")


def caller(span: Span) -> tuple[str, ...]:
    """Who asked: the user, or else the client."""
    told = {each.key: each.value.string_value for each in span.attributes}
    return next(((key, told[key]) for key in WHO if key in told), ())


def spans(request: ExportTraceServiceRequest) -> list[Span]:
    return [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]


def only(request: ExportTraceServiceRequest, keep: Callable[[Span], bool]) -> ExportTraceServiceRequest:
    kept: list[ResourceSpans] = [each for each in request.resource_spans if keep(each.scope_spans[0].spans[0])]
    return ExportTraceServiceRequest(resource_spans=kept)


def asking_nothing(request: ExportTraceServiceRequest, at: bytes) -> ExportTraceServiceRequest:
    """The same, but that one request is by the same caller for the start page."""
    changed = ExportTraceServiceRequest.FromString(request.SerializeToString())
    span = next(each for each in spans(changed) if each.span_id == at)
    kept = [each for each in span.attributes if each.key in (*WHO, "http.request.method", "http.response.status_code")]
    del span.attributes[:]
    span.attributes.extend([*kept, KeyValue(key="url.path", value=AnyValue(string_value="/"))])
    return changed


@pytest.mark.parametrize("file", ATTACKS)
def test_without_what_it_tells_of_a_score_falls(file: Path) -> None:
    """The reason is what the caller did before, or what this request asks for. Taken away, the row scores less, or nothing."""
    scenario = load(file)
    (whole,) = (ExportTraceServiceRequest.FromString(each) for each in requests(scenario, None))
    taught = rows_of(scenario)[1]

    def found(request: ExportTraceServiceRequest) -> list[Finding]:
        run = Whole(scenario)
        return [each for each in (*run.take(request.SerializeToString()).findings, *run.end().findings) if each.span_id]

    def score(request: ExportTraceServiceRequest, span: bytes) -> float:
        return max((each.score for each in found(request) if each.span_id == span), default=0.0)

    worst = max(found(whole), key=lambda each: (each.level, each.score, int.from_bytes(each.span_id, "big")))
    raised = next(each for each in spans(whole) if each.span_id == worst.span_id)
    number = int.from_bytes(worst.span_id, "big")
    before = only(whole, lambda span: caller(span) != caller(raised) or not taught < int.from_bytes(span.span_id, "big") < number)
    less = min(score(before, worst.span_id), score(asking_nothing(whole, worst.span_id), worst.span_id))
    assert less < worst.score, f"{worst.reason}: still {less}"
