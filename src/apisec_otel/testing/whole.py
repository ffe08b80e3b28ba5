"""Scenarios through the whole pipeline: rows to OTLP bytes, decoder, processors, findings."""

from __future__ import annotations

import json
from collections.abc import Iterator

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from apisec_otel.builtin import known
from apisec_otel.cli.options import packaged
from apisec_otel.cli.replay_engine import engine_of
from apisec_otel.config import read
from apisec_otel.testing.scenarios import Outcome, Scenario, rows_of, rows_to_spans


def run_pipeline(scenario: Scenario, *, cut: int | None = None) -> Outcome:
    """What the scenario's detector alone raises in replay's pipeline, `cut` rows a request, a request at a time.

    Row and severity of each finding, repeats too; what is raised on rows that only teach counts as row 0 and below.
    """
    chosen = {id: {"mode": "off"} for id in known("detectors")} | {scenario.detector: {"mode": "alert", **scenario.settings}}
    settings = [f"processors::detect::detectors::{id}={json.dumps(keys)}" for id, keys in chosen.items()]
    engine = engine_of(read([str(packaged("replay"))], settings))
    teach = rows_of(scenario)[1]
    found = [finding for request in requests(scenario, cut) for finding in engine.process([request]).batch.findings]
    if (rest := engine.finish()) is not None:
        found += rest.batch.findings
    return [(int.from_bytes(finding.span_id, "big") - teach, finding.level.word) for finding in found]


def requests(scenario: Scenario, cut: int | None) -> Iterator[bytes]:
    """The scenario's rows as OTLP requests of at most `cut` rows; all in one without."""
    whole = ExportTraceServiceRequest.FromString(rows_to_spans(scenario)).resource_spans
    for start in range(0, len(whole), cut or len(whole)):
        yield ExportTraceServiceRequest(resource_spans=whole[start : start + (cut or len(whole))]).SerializeToString()
