"""A configuration that was read and found good."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from apisec_otel.component import Declared, Family, Holds, declared
from apisec_otel.config.node import NULL, Node

_TYPE = re.compile(r"[a-zA-Z][0-9a-zA-Z_]{0,62}\Z")


@dataclass(frozen=True, slots=True, order=True)
class Id:
    """`type` or `type/name`."""

    type: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.type}/{self.name}" if self.name else self.type


def parse_id(text: str) -> Id:
    """Reads an id; raises ValueError with the rule it breaks."""
    type_, slash, name = text.partition("/")
    if not _TYPE.match(type_):
        raise ValueError(f"{text!r} is no id: a type is a letter and then up to 62 letters, digits or _, and a name follows a /")
    if slash and not (name and len(name) <= 1024 and name.isprintable() and not any(map(str.isspace, name))):
        raise ValueError(f"{text!r} is no id: a name after the / is 1 to 1024 printable characters without blanks")
    return Id(type_, name)


@dataclass(frozen=True, kw_only=True)
class Prometheus:
    """Where the self-metrics are served."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8888
    """Port to listen on; 0 takes a free one."""


@dataclass(frozen=True, kw_only=True)
class PullExporter:
    """The exporter of a reader that is asked."""

    prometheus: Prometheus = field(default_factory=Prometheus)
    """Prometheus text at `/metrics`."""


@dataclass(frozen=True, kw_only=True)
class Pull:
    """A reader that is asked."""

    exporter: PullExporter = field(default_factory=PullExporter)
    """How it answers."""


@dataclass(frozen=True, kw_only=True)
class MetricReader:
    """One way out for the self-metrics; the shape is OpenTelemetry's declarative configuration."""

    pull: Pull = field(default_factory=Pull)
    """The only kind there is yet."""


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Metrics of apisec-otel itself."""

    level: Literal["none", "basic", "normal", "detailed"] = "normal"
    """`none` serves nothing; the others serve the same."""
    readers: tuple[MetricReader, ...] = (MetricReader(),)
    """Where they are served."""


@dataclass(frozen=True, kw_only=True)
class Logs:
    """The log of apisec-otel itself, on stderr."""

    level: Literal["DEBUG", "INFO", "WARN", "ERROR"] = "INFO"
    """Least level that is written."""
    encoding: Literal["console", "json"] = "console"
    """How a line looks."""


@dataclass(frozen=True, kw_only=True)
class TelemetrySettings:
    """What apisec-otel tells of itself."""

    metrics: Metrics = field(default_factory=Metrics)
    """Self-metrics."""
    logs: Logs = field(default_factory=Logs)
    """The log."""


@dataclass(frozen=True, kw_only=True)
class PipelineSettings:
    """One pipeline: from receivers, through processors in order, to exporters."""

    receivers: tuple[str, ...] = ()
    """Ids of receivers, or of connectors that feed it; at least one."""
    processors: tuple[str, ...] = ()
    """Ids of processors, in order."""
    exporters: tuple[str, ...] = ()
    """Ids of exporters, or of connectors that it feeds; at least one."""


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """What runs: a component that no pipeline names stays off."""

    extensions: tuple[str, ...] = ()
    """Ids of extensions, in the order in which they start."""
    pipelines: dict[str, PipelineSettings] = field(default_factory=dict)
    """Keys are `traces`, `logs` or `metrics`, with a `/name` or without."""
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    """What apisec-otel tells of itself."""


@dataclass(frozen=True, slots=True)
class Component:
    """One configured component; equal when its settings are, wherever they were written."""

    family: Family
    id: Id
    settings: Any = field(hash=False)
    node: Node = field(default=NULL, compare=False)

    @property
    def declared(self) -> Declared:
        """What its class says of itself."""
        return declared(type(self.settings))


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One pipeline, its references found."""

    id: Id
    receivers: tuple[Component, ...]
    processors: tuple[Component, ...]
    exporters: tuple[Component, ...]

    @property
    def sinks(self) -> tuple[Component, ...]:
        """Its exporters proper."""
        return tuple(each for each in self.exporters if each.family == "exporters")

    @property
    def connectors(self) -> tuple[Component, ...]:
        """The connectors that it feeds."""
        return tuple(each for each in self.exporters if each.family == "connectors")


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration."""

    components: Mapping[Family, Mapping[Id, Component]]
    extensions: tuple[Component, ...]
    pipelines: tuple[Pipeline, ...]
    telemetry: TelemetrySettings
    notes: tuple[str, ...] = ()
    """What the user should know though nothing is wrong."""

    def custom_columns(self) -> dict[str, str]:
        """Columns that the configuration adds to rows, by name: key, number or flag."""
        return {
            name: kind
            for each in self.used()
            if hasattr(each.settings, "custom_columns")
            for name, kind in each.settings.custom_columns().items()
        }

    def tables(self) -> Iterator[tuple[Component, int]]:
        """Each component that keeps a table, and the table's cap; an exporter keeps one when it answers the senders of spans."""
        answering = {each for line in self.pipelines if _is_received(line) for each in line.sinks}
        for each in self.used():
            if isinstance(each.settings, Holds) and (each.family != "exporters" or each in answering):
                yield each, each.settings.table_bytes()

    def used(self) -> Iterator[Component]:
        """Each component that runs, once: extensions first, then along the pipelines."""
        seen = set()
        parts = [each for line in self.pipelines for each in (*line.receivers, *line.processors, *line.exporters)]
        for each in (*self.extensions, *parts):
            if (each.family, each.id) not in seen:
                seen.add((each.family, each.id))
                yield each


def _is_received(pipeline: Pipeline) -> bool:
    return pipeline.id.type == "traces" and any(each.family == "receivers" for each in pipeline.receivers)
