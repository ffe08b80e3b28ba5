"""Each shipped scenario raises exactly what it expects: row by row, natively, and under every cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from shipped import DETECTORS, FILES, NATIVE, scenarios

from apisec_otel.testing.scenarios import load, plan_of, rows_of, rows_to_spans, run_native, run_reference

EACH = pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")


@EACH
def test_row_by_row(file: Path) -> None:
    """The oracle raises what is expected."""
    scenario = load(file)
    assert run_reference(scenario, plan_of(scenario)) == scenario.expected()


@pytest.mark.skipif(not NATIVE, reason="the native module is not built")
@EACH
@pytest.mark.parametrize("cut", [None, 1, 7])
def test_native(file: Path, cut: int | None) -> None:
    """The native plan raises what is expected, wherever the stream is cut."""
    scenario = load(file)
    assert run_native(scenario, plan_of(scenario), cut=cut) == scenario.expected()


@EACH
def test_becomes_spans(file: Path) -> None:
    """Each row becomes one span with its time."""
    scenario = load(file)
    request = ExportTraceServiceRequest.FromString(rows_to_spans(scenario))
    spans = [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]
    assert [span.start_time_unix_nano for span in spans] == [row["time"] for row in rows_of(scenario)[0]]


@pytest.mark.parametrize("detector", DETECTORS)
def test_every_kind_is_there(detector: str) -> None:
    """A detector ships an attack, a near miss and benign traffic."""
    assert {scenario.kind for scenario in scenarios(detector)} == {"attack", "near_miss", "benign"}
    assert all(scenario.detector == detector for scenario in scenarios(detector))
