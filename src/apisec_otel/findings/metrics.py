"""Counts that go out as OTLP metrics: findings, and requests by endpoint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

import numpy as np
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)

from apisec_otel import semconv
from apisec_otel.component import EndpointNames
from apisec_otel.findings.finding import Finding
from apisec_otel.findings.rows import Records
from apisec_otel.findings.wire import key_values, resource
from apisec_otel.spans.batch import NativeBatch, Value

SERIES: Final = 2_000
"""Attribute sets a metric may have, as in OpenTelemetry SDKs; what is over counts as overflow."""
OVERFLOW: Final[dict[str, Value]] = {"otel.metric.overflow": True}


class Counts:
    """Cumulative counts since `start` (nanoseconds); at most `SERIES` attribute sets a metric."""

    def __init__(self, start: int, names: EndpointNames) -> None:
        self._start, self._names = start, names
        self._requests: Counter[str] = Counter()
        self._findings: Counter[tuple[str, str, str]] = Counter()
        self._other_requests = self._other_findings = 0

    def count_requests(self, batch: NativeBatch, records: Records) -> None:
        """Counts a batch's requests by endpoint, repeats left out: Python runs for each endpoint, not for each row."""
        rows = np.flatnonzero((records["request"] == 1) & (records["repeat"] != 1))
        keys, counts = np.unique(records["endpoint"][rows], return_counts=True)
        for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
            name = self._names.name(key)
            if name in self._requests or len(self._requests) < SERIES:
                self._requests[name] += count
            else:
                self._other_requests += count

    def count_findings(self, findings: Iterable[Finding]) -> None:
        """Counts findings by detector, severity and endpoint."""
        for finding in findings:
            series = (finding.detector, finding.level.word, finding.endpoint_name)
            if series in self._findings or len(self._findings) < SERIES:
                self._findings[series] += 1
            else:
                self._other_findings += 1

    def request(self, version: str, now: int) -> bytes:
        """An ExportMetricsServiceRequest with the counts as of `now` (nanoseconds)."""
        requests = [self._point({semconv.ENDPOINT: name}, count, now) for name, count in self._requests.items()]
        findings = [
            self._point({semconv.FINDING: detector, semconv.SEVERITY: severity, semconv.ENDPOINT: endpoint}, count, now)
            for (detector, severity, endpoint), count in self._findings.items()
        ]
        if self._other_requests:
            requests.append(self._point(OVERFLOW, self._other_requests, now))
        if self._other_findings:
            findings.append(self._point(OVERFLOW, self._other_findings, now))
        metrics = [
            _sum(semconv.METRIC_REQUESTS, "Requests received, by endpoint", "{request}", requests),
            _sum(semconv.METRIC_FINDINGS, "Findings shown, by detector, severity and endpoint", "{finding}", findings),
        ]
        scoped = ScopeMetrics(scope=InstrumentationScope(name=semconv.SCOPE, version=version), metrics=metrics)
        return ExportMetricsServiceRequest(
            resource_metrics=[ResourceMetrics(resource=resource(version), scope_metrics=[scoped])]
        ).SerializeToString()

    def _point(self, attributes: dict[str, Value], count: int, now: int) -> NumberDataPoint:
        return NumberDataPoint(attributes=key_values(attributes), start_time_unix_nano=self._start, time_unix_nano=now, as_int=count)


def _sum(name: str, description: str, unit: str, points: list[NumberDataPoint]) -> Metric:
    total = Sum(data_points=points, aggregation_temporality=AGGREGATION_TEMPORALITY_CUMULATIVE, is_monotonic=True)
    return Metric(name=name, description=description, unit=unit, sum=total)
