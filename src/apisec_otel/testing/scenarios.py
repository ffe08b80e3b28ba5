"""Scenarios: rows written in YAML, what a detector should raise on them, and the runners that check it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import ConfigDict, TypeAdapter

from apisec_otel.builtin import known
from apisec_otel.cli.judged import new_requests
from apisec_otel.cli.replay_engine import engine_of
from apisec_otel.config import Config, read
from apisec_otel.config.packaged import packaged
from apisec_otel.plan.build import Plan, finish
from apisec_otel.plan.draft import Chosen, Detector, draft
from apisec_otel.plan.engine import native
from apisec_otel.plan.outside import Outside
from apisec_otel.plan.signal import SEVERITIES
from apisec_otel.processors.detect import Detect
from apisec_otel.spans.batch import SpanBatch
from apisec_otel.spans.items import splitting_json
from apisec_otel.testing.reference.plan import Reference

Kind = Literal["attack", "near_miss", "benign"]
Outcome = list[tuple[int, str]]
"""Row number (from 1) and severity of everything that is raised."""

_START = 1_767_225_600_000_000_000
_HOUR = 3_600_000_000_000
_UNITS = {"ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000}
_FORMATS = {"id": "<u8", "number": "<f8", "logic": "i1"}
_MISSING = {"id": 0, "number": math.nan, "logic": 0}
_DURATION = 10_000_000
_WORDS = ("service", "method", "path", "route", "status", "user", "client", "agent", "attributes")
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
    attributes: dict[str, Any] = field(default_factory=dict)
    """More of the span's attributes, as in `{http.request.header.authorization: "Bearer {i}"}`."""

    def spread(self) -> Iterator[dict[str, Any]]:
        """Every single row, its time in ns after the start."""
        first, step = nanoseconds(self.at), nanoseconds(self.every)
        plain = {name: getattr(self, name) for name in _WORDS}
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
    config: dict[str, Any] = field(default_factory=dict)
    """More configuration that it wants, as in a file: `{processors: {requests: {columns: ...}}}`."""
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


def detector_of(scenario: Scenario) -> Detector:
    """The detector with the scenario's settings, as configuration reads them."""
    return chosen_of(scenario).detector


def chosen_of(scenario: Scenario) -> Chosen:
    """The same, with its id and q."""
    detect = next(each.settings for each in config_of(scenario).used() if isinstance(each.settings, Detect))
    return next(Chosen(id=id, detector=settings, q=q) for id, settings, _, q in detect.running() if id == scenario.detector)


def config_of(scenario: Scenario) -> Config:
    """Replay's configuration, in which the scenario's detector runs alone."""
    chosen = {id: {"mode": "off"} for id in known("detectors")} | {scenario.detector: {"mode": "alert", **scenario.settings}}
    alone = {"processors": {"detect": {"detectors": chosen}}}
    return _config(*(yaml.safe_dump(each) for each in (scenario.config, alone) if each))


@lru_cache(maxsize=256)
def _config(*more: str) -> Config:
    return read([packaged("replay"), *(f"yaml:{each}" for each in more)])


def plan_of(scenario: Scenario) -> Plan:
    """The plan of the scenario's detector alone."""
    return plan_with(scenario, detector_of(scenario))


def plan_with(scenario: Scenario, detector: Detector) -> Plan:
    """The plan of a detector alone, over the columns that the scenario configures."""
    graph, drafts = draft([replace(chosen_of(scenario), detector=detector)], custom=config_of(scenario).custom_columns())
    return finish(graph, drafts)


def rows_of(scenario: Scenario) -> tuple[list[dict[str, Any]], int]:
    """All rows in time order, and how many of them only teach. The scenario's own begin at a whole hour after those."""
    teach = sorted((row for rows in scenario.teach for row in rows.spread()), key=lambda row: int(row["time"]))
    rest = sorted((row for rows in scenario.rows for row in rows.spread()), key=lambda row: int(row["time"]))
    pause = (teach[-1]["time"] // _HOUR + 2) * _HOUR if teach else 0
    placed = [(row, _START) for row in teach] + [(row, _START + pause) for row in rest]
    return [row | {"time": start + row["time"]} for row, start in placed], len(teach)


def run_reference(scenario: Scenario, plan: Plan) -> Outcome:
    """What the oracle raises. What is raised on rows that only teach counts too, as row 0 and below."""
    rows = understood(scenario, plan)
    answers = Reference(plan.spec, plan.functions).run(rows.as_dicts())
    return rows.outcome(answers.raised)


def run_native(scenario: Scenario, plan: Plan, *, cut: int | None = None, without: Collection[str] = ()) -> Outcome:
    """What the native plan raises, the stream cut every `cut` rows, some columns missing in all of them."""
    rows = understood(scenario, plan)
    missing = {name: np.full_like(rows.columns[name], _MISSING[rows.kinds[name]]) for name in without if name in rows.columns}
    columns = rows.columns | missing
    executor: Any = native(plan.spec, Outside(plan.functions))
    raised: list[Any] = []
    length = cut or max(1, len(rows.times))
    for start in range(0, len(rows.times), length):
        part = slice(start, start + length)
        answers = executor.run_columns({name: column[part] for name, column in columns.items()}, rows.times[part], None, False, [])
        raised += [(start + row, *rest) for row, *rest in answers.raised]
    return rows.outcome(raised)


@dataclass(frozen=True, kw_only=True)
class Understood:
    """A scenario's requests as the product understands them: what decoder and processors make of its spans."""

    numbers: list[int]
    """Of each the row it was written as: 0 and below only teach. Where rows are items, those of one request have one number."""
    times: NDArray[np.int64]
    """Stream time, ns."""
    columns: dict[str, NDArray[Any]]
    kinds: Mapping[str, str]

    def as_dicts(self) -> list[dict[str, Any]]:
        """A mapping a row, for the oracle."""
        lists = {name: column.tolist() for name, column in self.columns.items()}
        return [{"time": time} | {name: column[at] for name, column in lists.items()} for at, time in enumerate(self.times.tolist())]

    def outcome(self, raised: Iterable[Any]) -> Outcome:
        """What was raised."""
        told: dict[tuple[int, int], tuple[float, int]] = {}
        for row, signal, p, severity, _, _ in raised:  # of several items that raise a signal, the least likely is told
            at = (self.numbers[row], signal)
            told[at] = min(told.get(at, (p, severity)), (p, severity), key=lambda said: said[0])
        return [(number, SEVERITIES[severity]) for (number, _), (_, severity) in told.items()]


def understood(scenario: Scenario, plan: Plan) -> Understood:
    """The scenario's judged requests, with the columns that a plan reads."""
    nodes = [node for node in json.loads(plan.spec)["nodes"] if node["op"] == "column"]
    kinds = {node["settings"]["name"]: node["kind"] for node in nodes}
    wanted = tuple(sorted((name, kind) for name, kind in kinds.items() if name not in ("always", "time")))
    return _understood(rows_to_spans(scenario), yaml.safe_dump(scenario.config), rows_of(scenario)[1], wanted, plan.rows)


@lru_cache(maxsize=64)
def _understood(spans: bytes, config: str, teach: int, wanted: tuple[tuple[str, str], ...], rows: str) -> Understood:
    off = {"processors": {"detect": {"defaults": {"mode": "off"}}}}
    engine = engine_of(_config(config, yaml.safe_dump(off)))
    batch = SpanBatch(engine.decode([spans]))
    for processor in engine.processors:
        processor.process(batch)
    records = engine.view(batch)
    judged = [row for row in new_requests(records).tolist() if records["probe"][row] != 1]
    nodes = [{"op": "column", "kind": kind, "settings": {"name": name}} for name, kind in wanted]
    reading = native(json.dumps({"version": 1, "nodes": nodes}))
    if rows == "Item":
        reading.split(splitting_json(), engine.vocabulary)
    values: Any = reading.run(batch.native, False, range(len(nodes)))
    if rows == "Item":  # of those there is a value an item, not one a row of the batch
        judged = np.frombuffer(values.numbers, np.uint32).tolist()
    picked = slice(None) if rows == "Item" else judged
    columns = zip(wanted, values.values, strict=True)
    return Understood(
        numbers=[int.from_bytes(records["span_id"][row].tobytes(), "big") - teach for row in judged],
        times=np.array([int(records["stream"][row]) for row in judged], np.int64),
        columns={name: np.frombuffer(column, _FORMATS[kind])[picked] for (name, kind), column in columns},
        kinds=dict(wanted),
    )


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
        attributes=[_attribute(key, row[name]) for key, name in names.items() if row[name] is not None]
        + [_attribute(key, value) for key, value in row["attributes"].items()],
    )


def _attribute(key: str, value: Any) -> KeyValue:
    return KeyValue(key=key, value=_value(value))


def _value(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=map(_value, value)))
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value)


def _counted(value: Any, i: int, j: int) -> Any:
    if isinstance(value, dict):
        return {key: _counted(each, i, j) for key, each in value.items()}
    if isinstance(value, list):
        return [_counted(each, i, j) for each in value]
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
