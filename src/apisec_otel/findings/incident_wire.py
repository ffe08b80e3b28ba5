"""Incidents as OTLP: a log record for each change."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs

from apisec_otel import semconv
from apisec_otel.findings.finding import Rule
from apisec_otel.findings.incident import Incident
from apisec_otel.findings.severity import LOG_SEVERITY
from apisec_otel.findings.text import short
from apisec_otel.findings.wire import RULESET, Rules, key_values, resource
from apisec_otel.spans.batch import Value

BODY = 1_200
"""Bytes of a story on the wire."""


def incidents_request(incidents: Iterable[Incident], rules: Rules, version: str, observed: int) -> bytes:
    """An ExportLogsServiceRequest with a log record for each change; `observed` is the time now in nanoseconds."""
    scope = InstrumentationScope(name=semconv.SCOPE, version=version)
    scoped = ScopeLogs(scope=scope, log_records=[_record(each, rules, observed) for each in incidents])
    return ExportLogsServiceRequest(resource_logs=[ResourceLogs(resource=resource(version), scope_logs=[scoped])]).SerializeToString()


def incident_attributes(incident: Incident, rules: Rules) -> dict[str, Value]:
    """All that is said about an incident, as attributes. What is not known is left out."""
    worst = incident.detectors[0]
    rule = rules.get(worst, Rule(worst))
    stated: dict[str, Value] = {
        semconv.INCIDENT_ID: incident.id,
        semconv.INCIDENT_STATE: incident.state,
        semconv.SEVERITY: incident.level.word,
        semconv.FINDING: worst,
        semconv.FINDINGS: list(incident.detectors),
        semconv.OWASP: list(incident.owasp),
        semconv.RISK_SCORE: round(incident.risk, 1),
        semconv.ENTITY_TYPE: incident.entity_kind if incident.entity else "",
        semconv.ENTITY_ID: f"{incident.entity:016x}" if incident.entity else "",
        semconv.ENDPOINT: incident.endpoint,
        semconv.INCIDENT_FINDINGS: list(incident.findings),
        semconv.INCIDENT_COUNT: incident.count,
        semconv.INCIDENT_FIRST: _rfc3339(incident.first),
        semconv.INCIDENT_LAST: _rfc3339(incident.last),
        semconv.RULE_NAME: rule.name,
        semconv.RULE_REFERENCE: rule.reference,
        semconv.RULE_RULESET: RULESET,
        "service.name": incident.service,
    }
    return {key: value for key, value in stated.items() if value not in ("", [])}


def _record(incident: Incident, rules: Rules, observed: int) -> LogRecord:
    record = LogRecord(
        time_unix_nano=incident.time,
        observed_time_unix_nano=observed,
        severity_number=LOG_SEVERITY[incident.level],  # type: ignore[arg-type]
        severity_text=incident.level.word,
        event_name=semconv.INCIDENT_EVENT,
        body=AnyValue(string_value=short(" ".join(incident.story), BODY)),
        attributes=key_values(incident_attributes(incident, rules)),
    )
    if any(incident.trace_id) and any(incident.span_id):
        record.trace_id, record.span_id, record.flags = incident.trace_id, incident.span_id, 1
    return record


def _rfc3339(nanoseconds: int) -> str:
    second, rest = divmod(nanoseconds, 10**9)
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
