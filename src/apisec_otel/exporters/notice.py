"""What pagers are told of an incident: the log event that says how it changed, without the telemetry around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from apisec_otel import semconv

SEVERITIES: Final = ("info", "low", "medium", "high", "critical")
STATES: Final = ("open", "updated", "closed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One change of one incident. What the event does not say is empty; times are nanoseconds since 1970."""

    id: str
    """16 hex digits, the same from the first change to the last."""
    state: str
    """open, updated or closed."""
    time: int
    """When it changed."""
    first: int
    """When its first finding was."""
    severity: str = "medium"
    story: str = ""
    detector: str = ""
    """The worst one."""
    detectors: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    owasp: str = ""
    risk: float = 0.0
    entity_type: str = ""
    entity_id: str = ""
    endpoint: str = ""
    service: str = ""
    reference: str = ""
    trace_id: str = ""

    @property
    def key(self) -> str:
        """Which change this is: who is told twice knows it by this."""
        return f"{self.id}-{self.state}-{self.time}"

    def is_at_least(self, severity: str) -> bool:
        """Whether it is that severe or more."""
        return SEVERITIES.index(self.severity) >= SEVERITIES.index(severity)

    def row(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self)

    @classmethod
    def of(cls, row: dict[str, Any]) -> Notice:
        """From what JSON gives back."""
        known = {each.name for each in fields(cls)}
        said: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items() if name in known}
        return cls(**said)


def notices(requests: Sequence[bytes]) -> list[Notice]:
    """The changes of incidents that log requests tell of, in order; all else is passed over. ValueError: no request of logs."""
    return [_notice(record) for request in requests for record in _records(request) if record.event_name == semconv.INCIDENT_EVENT]


def _records(request: bytes) -> Iterator[LogRecord]:
    try:
        logs = ExportLogsServiceRequest.FromString(request)
    except DecodeError as error:
        raise ValueError(f"not a request of logs: {error}") from error
    for resource in logs.resource_logs:
        for scope in resource.scope_logs:
            yield from scope.log_records


def _notice(record: LogRecord) -> Notice:
    said = {each.key: _plain(each.value) for each in record.attributes}

    def text(key: str) -> str:
        value = said.get(key, "")
        return value if isinstance(value, str) else ", ".join(map(str, value)) if isinstance(value, list) else str(value)

    state, severity = text(semconv.INCIDENT_STATE), text(semconv.SEVERITY)
    return Notice(
        id=text(semconv.INCIDENT_ID),
        state=state if state in STATES else "updated",
        time=record.time_unix_nano,
        first=_nanoseconds(text(semconv.INCIDENT_FIRST)) or record.time_unix_nano,
        severity=severity if severity in SEVERITIES else "medium",
        story=record.body.string_value,
        detector=text(semconv.FINDING),
        detectors=_texts(said.get(semconv.FINDINGS)),
        findings=_texts(said.get(semconv.INCIDENT_FINDINGS)),
        owasp=text(semconv.OWASP),
        risk=_number(said.get(semconv.RISK_SCORE)),
        entity_type=text(semconv.ENTITY_TYPE),
        entity_id=text(semconv.ENTITY_ID),
        endpoint=text(semconv.ENDPOINT),
        service=text("service.name"),
        reference=text(semconv.RULE_REFERENCE),
        trace_id=record.trace_id.hex(),
    )


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(each) for each in value.array_value.values]
    return "" if kind is None else getattr(value, kind)


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def _nanoseconds(text: str) -> int:
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1e9)
    except ValueError:
        return 0


def rfc3339(nanoseconds: int) -> str:
    """>>> rfc3339(1_700_000_000_500_000_000)
    '2023-11-14T22:13:20.500Z'
    """
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
