"""Scenarios through the whole pipeline: rows to OTLP bytes, decoder, processors, findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from apisec_otel.findings.finding import Finding
from apisec_otel.snapshots.parts import copied, given
from apisec_otel.testing.built import Built
from apisec_otel.testing.scenarios import Outcome, Scenario, config_of, rows_of, rows_to_spans


class Whole(Built):
    """The whole pipeline with a scenario's detector alone, in the life of one process."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(config_of(scenario))
        self._teach = rows_of(scenario)[1]

    def outcome(self, findings: Iterable[Finding]) -> Outcome:
        """Row and severity of each finding, repeats too; what is raised on rows that only teach counts as row 0 and below."""
        on_requests = (finding for finding in findings if finding.span_id)
        return [(int.from_bytes(finding.span_id, "big") - self._teach, finding.level.word) for finding in on_requests]


def run_pipeline(scenario: Scenario, *, cut: int | None = None) -> Outcome:
    """What the scenario's detector alone raises in replay's pipeline, `cut` rows a request, a request at a time."""
    return run_requests(scenario, requests(scenario, cut))


def run_requests(scenario: Scenario, arriving: Iterable[bytes]) -> Outcome:
    """What the scenario's detector raises on these requests, one at a time."""
    whole = Whole(scenario)
    found = [finding for request in arriving for finding in whole.take(request).findings]
    return whole.outcome([*found, *whole.end().findings])


def run_in_two(scenario: Scenario, arriving: Sequence[bytes], until: int) -> Outcome:
    """As `run_requests`, by two processes: the second goes on from what the first remembered after so many requests."""
    first, second = Whole(scenario), Whole(scenario)
    found = [finding for request in arriving[:until] for finding in first.take(request).findings]
    cold = given(second.parts(), list(copied(first.parts())))
    if cold:
        raise AssertionError(f"{scenario.detector}: begins without memory after a restart: {', '.join(cold)}")
    found += [finding for request in arriving[until:] for finding in second.take(request).findings]
    return second.outcome([*found, *second.end().findings])


def requests(scenario: Scenario, cut: int | None) -> Iterator[bytes]:
    """The scenario's rows as OTLP requests of at most `cut` rows; all in one without."""
    whole = ExportTraceServiceRequest.FromString(rows_to_spans(scenario)).resource_spans
    for start in range(0, len(whole), cut or len(whole)):
        yield ExportTraceServiceRequest(resource_spans=whole[start : start + (cut or len(whole))]).SerializeToString()
