"""What pagers are told of an incident: the log event that says how it changed, without the telemetry around it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from apisec_otel import semconv
from apisec_otel.findings.severity import SEVERITIES, Level
from apisec_otel.findings.text import escape, short

STATES: Final = ("open", "updated", "closed")
STORY: Final = 2_048
"""Bytes of a story; of any other text 255."""
MOST: Final = 64
"""Findings, and detectors, that are named."""


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
    owasp: tuple[str, ...] = ()
    """Of the same detectors, the worst first."""
    risk: float = 0.0
    entity_type: str = ""
    entity_id: str = ""
    endpoint: str = ""
    service: str = ""
    reference: str = ""
    trace_id: str = ""

    @property
    def key(self) -> str:
        """Which change this is: who is told twice knows it by this. Of ASCII, whatever the id is."""
        return quote(f"{self.id}-{self.state}-{self.time}", safe="")

    @property
    def runbook(self) -> str:
        """The playbook's URL; empty when it is referred to in another way."""
        return self.reference if self.reference.startswith(("http://", "https://")) else ""

    def is_at_least(self, severity: str) -> bool:
        """Whether it is that severe or more."""
        return Level.of(self.severity) >= Level.of(severity)

    def is_at_most(self, severity: str) -> bool:
        """Whether it is no more severe than that."""
        return Level.of(self.severity) <= Level.of(severity)

    def row(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self)

    @classmethod
    def of(cls, row: dict[str, Any]) -> Notice:
        """From what JSON gives back; TypeError or ValueError when it was no notice."""
        known = {each.name for each in fields(cls)}
        said: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items() if name in known}
        made = cls(**said)
        if made.state not in STATES or made.severity not in SEVERITIES or not isinstance(made.time, int):
            raise ValueError("no change of an incident")
        return made


def notices(requests: Sequence[bytes], now: int) -> list[Notice]:
    """The changes of incidents that log requests tell of, in order; all else is passed over. `now`: ns, of those without a time.

    One that has no id has an empty one. ValueError: no request of logs.
    """
    return [_notice(record, now) for request in requests for record in _records(request) if record.event_name == semconv.INCIDENT_EVENT]


def _records(request: bytes) -> Iterator[LogRecord]:
    try:
        logs = ExportLogsServiceRequest.FromString(request)
    except DecodeError as error:
        raise ValueError(f"not a request of logs: {error}") from error
    for resource in logs.resource_logs:
        for scope in resource.scope_logs:
            yield from scope.log_records


def _notice(record: LogRecord, now: int) -> Notice:
    said = {each.key: _plain(each.value) for each in record.attributes}
    text = {key: ", ".join(_texts(value)) for key, value in said.items()}
    time = record.time_unix_nano or record.observed_time_unix_nano or now
    return Notice(
        id=short(text.get(semconv.INCIDENT_ID, "")),
        state=_one_of(STATES, text.get(semconv.INCIDENT_STATE), "updated"),
        time=time,
        first=min(time, _nanoseconds(text.get(semconv.INCIDENT_FIRST, "")) or time),
        severity=_one_of(SEVERITIES, text.get(semconv.SEVERITY), "medium"),
        story=_told(record.body.string_value),
        detector=short(text.get(semconv.FINDING, "")),
        detectors=_texts(said.get(semconv.FINDINGS)),
        findings=_texts(said.get(semconv.INCIDENT_FINDINGS)),
        owasp=_texts(said.get(semconv.OWASP)),
        risk=_number(said.get(semconv.RISK_SCORE)),
        entity_type=short(text.get(semconv.ENTITY_TYPE, "")),
        entity_id=short(text.get(semconv.ENTITY_ID, "")),
        endpoint=short(text.get(semconv.ENDPOINT, "")),
        service=short(text.get("service.name", "")),
        reference=short(text.get(semconv.RULE_REFERENCE, "")),
        trace_id=record.trace_id.hex(),
    )


def _told(story: str) -> str:
    """A story's lines, each without control characters."""
    cut = story.encode(errors="replace")[:STORY].decode(errors="ignore")
    return "\n".join(map(escape, cut.splitlines()))


def _one_of(known: Sequence[str], word: str | None, other: str) -> str:
    return word if word is not None and word in known else other


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(each) for each in value.array_value.values]
    return "" if kind is None else getattr(value, kind)


def _texts(value: Any) -> tuple[str, ...]:
    """One text or several, as several."""
    several = value if isinstance(value, list) else [] if value in (None, "") else [value]
    return tuple(short(str(each)) for each in several[:MOST])


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else 0.0


def _nanoseconds(text: str) -> int:
    try:
        said = datetime.fromisoformat(text)
        return max(0, (said.replace(tzinfo=said.tzinfo or UTC) - _EPOCH) // _MICROSECOND * 1000)
    except (ValueError, OverflowError):
        return 0


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def rfc3339(nanoseconds: int) -> str:
    """>>> rfc3339(1_700_000_000_500_000_000)
    '2023-11-14T22:13:20.500Z'
    """
    return (_EPOCH + timedelta(microseconds=nanoseconds // 1000)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
