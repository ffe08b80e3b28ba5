"""Findings as OTLP: log records for those who take logs, spans in the offending trace for those who take traces only."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from apisec_otel import semconv
from apisec_otel.findings.finding import Finding, Hash, Rule
from apisec_otel.findings.severity import LOG_SEVERITY
from apisec_otel.findings.text import short
from apisec_otel.spans.batch import Value

Rules = Mapping[str, Rule]
"""What is known about each detector, by its id."""

RULESET: Final = "apisec-otel"
_RULES: Final = uuid.UUID("6f9d3a52-3d0f-5b7c-9e55-2a1c7a5e0b64")
_SAMPLED_REMOTE_PARENT: Final = 0x301
"""Span.flags: sampled; whether the parent is remote is known, and it is."""


def logs_request(findings: Iterable[Finding], rules: Rules, version: str, observed: int) -> bytes:
    """An ExportLogsServiceRequest with a log record for each finding; `observed` is the time now in nanoseconds."""
    records = [_log_record(finding, attributes(finding, rules), observed) for finding in findings]
    scoped = ScopeLogs(scope=_scope(version), log_records=records)
    return ExportLogsServiceRequest(resource_logs=[ResourceLogs(resource=resource(version), scope_logs=[scoped])]).SerializeToString()


def spans_request(findings: Iterable[Finding], rules: Rules, version: str, keyed_hash: Hash) -> bytes:
    """An ExportTraceServiceRequest with a finding span for each finding whose request has ids; empty when none has."""
    spans = [_finding_span(finding, attributes(finding, rules), keyed_hash) for finding in findings if _has_ids(finding)]
    if not spans:
        return b""
    scoped = ScopeSpans(scope=_scope(version), spans=spans)
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=resource(version), scope_spans=[scoped])]).SerializeToString()


def attributes(finding: Finding, rules: Rules) -> dict[str, Value]:
    """All that is said about a finding, as attributes. What is not known is left out."""
    rule = rules.get(finding.detector, Rule(finding.detector))
    stated: dict[str, Value] = {
        semconv.RULE_NAME: rule.name,
        semconv.RULE_UUID: str(uuid.uuid5(_RULES, rule.name)),
        semconv.RULE_VERSION: rule.version,
        semconv.RULE_CATEGORY: finding.owasp,
        semconv.RULE_DESCRIPTION: short(rule.description),
        semconv.RULE_REFERENCE: rule.reference,
        semconv.RULE_RULESET: RULESET,
        semconv.FINDING_ID: finding.id,
        semconv.FINDING: finding.detector,
        semconv.SEVERITY: finding.level.word,
        semconv.OWASP: finding.owasp,
        semconv.TECHNIQUE: rule.technique,
        semconv.REASON: finding.reason,
        semconv.ENDPOINT: finding.endpoint_name,
        semconv.SESSION_ID: _key(finding.session),
        semconv.PRINCIPAL_HASH: _key(finding.principal),
        semconv.ENTITY_TYPE: finding.entity_kind if finding.entity else "",
        semconv.ENTITY_ID: _key(finding.entity),
        **_request(finding),
    }
    known = {key: value for key, value in stated.items() if value != ""}
    known[semconv.RISK_SCORE] = round(finding.risk, 1)
    if finding.confidence is not None:
        known[semconv.CONFIDENCE] = finding.confidence
    return known | _evidence(finding)


def _request(finding: Finding) -> dict[str, Value]:
    facts = finding.request
    stated: dict[str, Value] = {
        "http.request.method": facts.method,
        "http.route": facts.route,
        "service.name": facts.service,
        "client.address": facts.client_address,
        "user_agent.original": facts.user_agent,
    }
    if facts.status:
        stated["http.response.status_code"] = facts.status
    return stated


def _evidence(finding: Finding) -> dict[str, Value]:
    return {
        f"{semconv.EVIDENCE}{short(name, 64)}.{side}": value
        for name, pair in finding.evidence.items()
        for side, value in zip(("observed", "expected"), pair, strict=True)
        if not math.isnan(value)
    }


def _log_record(finding: Finding, stated: Mapping[str, Value], observed: int) -> LogRecord:
    record = LogRecord(
        time_unix_nano=finding.start,
        observed_time_unix_nano=observed,
        severity_number=LOG_SEVERITY[finding.level],  # type: ignore[arg-type]
        severity_text=finding.level.word,
        event_name=semconv.FINDING_EVENT,
        body=AnyValue(string_value=finding.reason),
        attributes=key_values(stated),
    )
    if _has_ids(finding):
        record.trace_id, record.span_id, record.flags = finding.trace_id, finding.span_id, 1
    return record


def _finding_span(finding: Finding, stated: Mapping[str, Value], keyed_hash: Hash) -> Span:
    return Span(
        trace_id=finding.trace_id,
        span_id=keyed_hash(b"finding span\0" + finding.id.encode()).to_bytes(8, "big"),
        parent_span_id=finding.span_id,
        flags=_SAMPLED_REMOTE_PARENT,
        name=f"{semconv.FINDING_EVENT} {finding.detector}",
        kind=Span.SPAN_KIND_INTERNAL,
        # Inside the flagged span, whose end may lie before its start.
        start_time_unix_nano=finding.start,
        end_time_unix_nano=max(finding.start, finding.end),
        attributes=key_values(stated),
        status=Status(code=Status.STATUS_CODE_ERROR, message=finding.reason),
    )


def resource(version: str) -> Resource:
    """Ours: what we send ourselves never passes for the application's."""
    return Resource(attributes=key_values({"service.name": semconv.SCOPE, "service.version": version}))


def _scope(version: str) -> InstrumentationScope:
    return InstrumentationScope(name=semconv.SCOPE, version=version)


def key_values(stated: Mapping[str, Value]) -> Sequence[KeyValue]:
    """Attributes in their wire form."""
    return [KeyValue(key=key, value=_any_value(value)) for key, value in stated.items()]


def _any_value(value: Value) -> AnyValue:
    for kind, build in _BUILDERS:
        if isinstance(value, kind):
            return build(value)
    raise TypeError(f"no attribute value: {type(value).__name__}")


_BUILDERS: Final[tuple[tuple[type, Callable[..., AnyValue]], ...]] = (
    (bool, lambda value: AnyValue(bool_value=value)),
    (int, lambda value: AnyValue(int_value=value)),
    (float, lambda value: AnyValue(double_value=value)),
    (str, lambda value: AnyValue(string_value=value)),
    (list, lambda value: AnyValue(array_value=ArrayValue(values=[_any_value(item) for item in value]))),
)
"""bool before int: a bool is an int."""


def _has_ids(finding: Finding) -> bool:
    return any(finding.trace_id) and any(finding.span_id)


def _key(key: int) -> str:
    return f"{key:016x}" if key else ""
