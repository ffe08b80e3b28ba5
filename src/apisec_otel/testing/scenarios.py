"""Scenarios: rows written in YAML, what a detector should raise on them, and the runners that check it."""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import ConfigDict, TypeAdapter

from apisec_otel.plan.build import Plan, build
from apisec_otel.plan.draft import Chosen, Detector
from apisec_otel.plan.signal import SEVERITIES
from apisec_otel.processors.endpoints import Endpoints
from apisec_otel.testing.reference.plan import Reference

Kind = Literal["attack", "near_miss", "benign"]
Outcome = list[tuple[int, str]]
"""Row number (from 1) and severity of everything that is raised."""

_START = 1_767_225_600_000_000_000
_HOUR = 3_600_000_000_000
_UNITS = {"ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000}
_ENDPOINTS = Endpoints()
_DURATION = 10_000_000
_COUNT = re.compile(r"\{(?:([0-9]+)-)?([ij])(?:\*([0-9]+))?\}")


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows that differ only in `{i}` (1 to `repeat`) and `{j}` (1 to `times`, the inner count); also `{i*3}` and `{90-i}`."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    at: str = "0s"
    """When the first one comes, after the start."""
    every: str = "1s"
    repeat: int = 1
    times: int = 1
    service: str = "shop"
    method: str = "GET"
    path: str
    route: str | None = None
    """Left out where the service matched none."""
    status: int | None = 200
    user: str | None = None
    client: str | None = None
    agent: str | None = None

    def spread(self) -> Iterator[dict[str, Any]]:
        """Every single row, its time in ns after the start."""
        first, step = nanoseconds(self.at), nanoseconds(self.every)
        plain = {name: getattr(self, name) for name in ("service", "method", "path", "route", "status", "user", "client", "agent")}
        for number in range(self.repeat * self.times):
            i, j = number // self.times + 1, number % self.times + 1
            row = {name: _counted(value, i, j) for name, value in plain.items()}
            yield row | {"time": first + number * step}


@dataclass(frozen=True, kw_only=True)
class Expected:
    """A raised row: its number from 1, or several as `21-40`."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    row: int | str
    severity: str


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One story: what was learned before, what comes, and exactly what is raised on it."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    detector: str
    kind: Kind
    about: str
    """Who does this, in a sentence."""
    settings: dict[str, Any] = field(default_factory=dict)
    teach: list[Rows] = field(default_factory=list)
    rows: list[Rows]
    expect: list[Expected] = field(default_factory=list)

    def expected(self) -> Outcome:
        """Row and severity of everything that should be raised."""
        return [(row, one.severity) for one in self.expect for row in _range(one.row)]


def load(file: Path) -> Scenario:
    """A scenario from its YAML file; unknown keys and an attack that expects nothing are refused."""
    scenario = TypeAdapter(Scenario).validate_python(yaml.safe_load(file.read_text(encoding="utf-8")))
    if (scenario.kind == "attack") != bool(scenario.expect):
        raise ValueError(f"{file}: an attack expects something to be raised, anything else nothing")
    return scenario


def detector_class(name: str) -> type[Detector]:
    """The built-in detector of that id: module and class have its name."""
    module = importlib.import_module(f"apisec_otel.detectors.{name}")
    found: type[Detector] = getattr(module, "".join(word.capitalize() for word in name.split("_")))
    return found


def detector_of(scenario: Scenario) -> Detector:
    """The detector with the scenario's settings; durations may be written as `10m`."""
    kind = detector_class(scenario.detector)
    fields = {one.name: one.default for one in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = set(scenario.settings) - set(fields)
    if unknown:
        raise ValueError(f"{scenario.detector}: no setting {', '.join(sorted(unknown))}; there is {', '.join(fields)}")
    settings = {
        name: timedelta(microseconds=nanoseconds(value) / 1_000) if isinstance(fields[name], timedelta) else value
        for name, value in scenario.settings.items()
    }
    return TypeAdapter(kind).validate_python(settings)


def plan_of(scenario: Scenario) -> Plan:
    """The plan of the scenario's detector alone."""
    return build([Chosen(id=scenario.detector, detector=detector_of(scenario))])


def rows_of(scenario: Scenario) -> tuple[list[dict[str, Any]], int]:
    """All rows in time order, and how many of them only teach. The scenario's own begin at a whole hour after those."""
    teach = sorted((row for rows in scenario.teach for row in rows.spread()), key=lambda row: int(row["time"]))
    rest = sorted((row for rows in scenario.rows for row in rows.spread()), key=lambda row: int(row["time"]))
    pause = (teach[-1]["time"] // _HOUR + 2) * _HOUR if teach else 0
    placed = [(row, _START) for row in teach] + [(row, _START + pause) for row in rest]
    return [row | {"time": start + row["time"]} for row, start in placed], len(teach)


def run_reference(scenario: Scenario, plan: Plan) -> Outcome:
    """What the oracle raises. What is raised on rows that only teach counts too, as row 0 and below."""
    rows, teach = rows_of(scenario)
    judged = [(index, columns_of(row)) for index, row in enumerate(rows) if not _probes(row)]
    answers = Reference(plan.spec).run([columns for _, columns in judged])
    return [(judged[row][0] + 1 - teach, SEVERITIES[severity]) for row, _, _, severity, _, _ in answers.raised]


def run_native(scenario: Scenario, plan: Plan, *, cut: int | None = None) -> Outcome:
    """What the native plan raises, the stream cut every `cut` rows."""
    import numpy as np

    rows, teach = rows_of(scenario)
    judged = [(index, columns_of(row)) for index, row in enumerate(rows) if not _probes(row)]
    executor = importlib.import_module("apisec_otel._native").Plan(plan.spec)
    kinds = {node["settings"]["name"]: node["kind"] for node in json.loads(plan.spec)["nodes"] if node["op"] == "column"}
    formats = {"id": ("<u8", 0), "number": ("<f8", math.nan), "logic": ("i1", 0)}
    out: Outcome = []
    length = cut or len(rows)
    for start in range(0, len(judged), length):
        part = judged[start : start + length]
        arrays = {
            name: np.array([row.get(name, formats[kind][1]) for _, row in part], dtype=formats[kind][0])
            for name, kind in kinds.items()
            if name not in ("always", "time")
        }
        times = np.array([row["time"] for _, row in part], dtype=np.int64)
        answers = executor.run_columns(arrays, times, None, False, [])
        out += [(part[row][0] + 1 - teach, SEVERITIES[severity]) for row, _, _, severity, _, _ in answers.raised]
    return out


def columns_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """A scenario's row as the columns that detectors read; what the row leaves out is missing."""
    status, user, client = row["status"], row["user"], row["client"]
    session = user or (f"{client} {row['agent']}" if client else None)
    endpoint = f"{row['service']} {row['method']} {row['route']}" if row["route"] else f"{row['service']} (unmatched)"
    texts = {name: row[name] for name in ("service", "method", "path", "route", "client")} | {
        "endpoint": endpoint,
        "object_id": _object_id(row["route"], row["path"]),
        "network": client.rpartition(".")[0] if client else None,
        "user_agent": row["agent"],
        "principal": user,
        "session": session,
        "actor": session,
    }
    columns: dict[str, Any] = {name: _hash(name, text) for name, text in texts.items()}
    last = (row["route"] or row["path"]).rpartition("/")[2].lower()
    login = _flag(row["method"] == "POST" and last in _ENDPOINTS.login_routes)
    flags = {
        "succeeded": _status(status, lambda code: 200 <= code < 400),
        "denied": _status(status, lambda code: code in (401, 403)),
        "not_found": _status(status, lambda code: code in (404, 405)),
        "failed": _status(status, lambda code: code >= 400),
        "login": login,
        "login_failed": min(login, _status(status, lambda code: code in _ENDPOINTS.login_failed_status)),
        "authenticated": _flag(user is not None),
        "probe": -1,
    }
    number = _number_in(_object_id(row["route"], row["path"]))
    return columns | flags | {"time": row["time"], "object_number": number, "status": math.nan if status is None else float(status)}


def rows_to_spans(scenario: Scenario) -> bytes:
    """The scenario as one serialized ExportTraceServiceRequest, a SERVER span a row, to be sent through a whole pipeline."""
    request = ExportTraceServiceRequest()
    rows, _ = rows_of(scenario)
    for number, row in enumerate(rows, 1):
        resource = request.resource_spans.add()
        resource.resource.attributes.append(_attribute("service.name", row["service"]))
        resource.scope_spans.add().spans.append(_span(number, row))
    return request.SerializeToString()


def nanoseconds(text: str) -> int:
    """`90s`, `10m`, `1h30m`, `250ms` in ns. ValueError for anything else."""
    parts = re.findall(r"(\d+)(ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration; write 90s, 10m or 1h30m")
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def _span(number: int, row: Mapping[str, Any]) -> Span:
    names = {
        "http.request.method": "method",
        "url.path": "path",
        "http.route": "route",
        "http.response.status_code": "status",
        "user.id": "user",
        "client.address": "client",
        "user_agent.original": "agent",
    }
    return Span(
        trace_id=number.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        name=f"{row['method']} {row['route'] or row['path']}",
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=row["time"],
        end_time_unix_nano=row["time"] + _DURATION,
        attributes=[_attribute(key, row[name]) for key, name in names.items() if row[name] is not None],
    )


def _probes(row: Mapping[str, Any]) -> bool:
    """Health routes pass unjudged."""
    return (row["route"] or row["path"]) in _ENDPOINTS.health_routes


def _attribute(key: str, value: str | int) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value))


def _object_id(route: str | None, path: str) -> str | None:
    if route is None or "{" not in route:
        return None
    pattern = re.sub(r"\\\{[^/]*?\\\}", "([^/]+)", re.escape(route))
    match = re.fullmatch(pattern, path)
    return match.groups()[-1] if match else None


def _number_in(object_id: str | None) -> float:
    digits = re.findall(r"[0-9]+", object_id or "")
    return float(digits[0]) if len(digits) == 1 and len(digits[0]) <= 15 else math.nan


def _hash(name: str, text: str | None) -> int:
    if text is None:
        return 0
    space = "principal" if name in ("session", "actor") else name
    return int.from_bytes(blake2b(f"{space} {text}".encode(), digest_size=8).digest(), "little") or 1


def _flag(holds: bool) -> int:
    return 1 if holds else -1


def _status(status: int | None, holds: Any) -> int:
    return 0 if status is None else _flag(holds(status))


def _counted(value: Any, i: int, j: int) -> Any:
    if not isinstance(value, str):
        return value
    return _COUNT.sub(lambda found: str(_calculated(found, {"i": i, "j": j})), value)


def _calculated(found: re.Match[str], counts: Mapping[str, int]) -> int:
    less, name, times = found.groups()
    value = counts[name] * int(times or 1)
    return int(less) - value if less else value


def _range(row: int | str) -> range:
    first, _, last = str(row).partition("-")
    return range(int(first), int(last or first) + 1)
