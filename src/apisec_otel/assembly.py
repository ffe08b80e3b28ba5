"""From a configuration to the objects that run."""

import importlib
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any, cast

from apisec_otel import semconv
from apisec_otel.component import Builds, Connector, Exporter, Host, Keeps, Processor, Signal, declared, leaves, plain
from apisec_otel.config import Component, Config, Pipeline
from apisec_otel.errors import ApisecError, ComponentError
from apisec_otel.findings.rows import native_view
from apisec_otel.loops import Loops
from apisec_otel.pipeline import Gap
from apisec_otel.pipeline import Pipeline as Engine
from apisec_otel.snapshots.parts import copied, given
from apisec_otel.transport import Counted, Transport

Vocabulary = tuple[str, bytes]
"""Its text and the secret of all ids."""


@dataclass(kw_only=True)
class Assembly:
    """One configuration, built; nothing of it runs yet."""

    config: Config
    vocabulary: Vocabulary
    native: Any
    """The native vocabulary."""
    transport: Transport
    engine: Engine | None
    """None when no traces are received."""
    processors: Mapping[Component, Processor] = field(default_factory=dict)
    connectors: Mapping[Component, Connector] = field(default_factory=dict)
    exporters: Mapping[Component, Exporter] = field(default_factory=dict)

    def parts(self) -> dict[str, Keeps]:
        """All that has state to keep, against the stream: what says which requests were seen comes after all that counts them."""
        built = (*self.connectors.items(), *reversed(list(self.processors.items())))
        return {f"{each.family}::{each.id}": part for each, part in built if isinstance(part, Keeps)}


def vocabulary_of(config: Config, made: bytes) -> Vocabulary:
    """What the codec is told: the standard names and what the components add. `made` is the secret when none is configured."""
    added: dict[str, Any] = {}
    secret = made
    for each in config.used():
        added |= each.settings.vocabulary() if hasattr(each.settings, "vocabulary") else {}
        if hasattr(each.settings, "hash_bytes"):
            secret = each.settings.hash_bytes() or secret
    return semconv.vocabulary_json(semconv.VocabularySettings(**added)), secret


def native_vocabulary(vocabulary: Vocabulary) -> Any:
    """The vocabulary as native code holds it."""
    return _native().Vocabulary(*vocabulary)


def native_rows() -> Callable[[Any], Any]:
    """How to see a native batch's rows."""
    return native_view(_native().RECORD_FIELDS)


def _native() -> Any:
    try:
        return importlib.import_module("apisec_otel._native")
    except ImportError as error:
        raise ComponentError(f"the native module is not built: {error}; run `make build`") from error


@dataclass(frozen=True, kw_only=True)
class Assembler:
    """Builds configurations, one after the other, over what stays the same."""

    host: Host
    """Lent to every component, each with its own id."""
    make_transport: Callable[[Config, Any], Transport]
    make_vocabulary: Callable[[Vocabulary], Any] = native_vocabulary
    make_view: Callable[[], Callable[[Any], Any]] = native_rows
    made_secret: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    def assemble(self, config: Config, before: Assembly | None = None) -> Assembly:
        """Builds all that a configuration uses; a processor with the same settings as `before` is kept, and what it remembers.

        Raises ComponentError, which names the component.
        """
        vocabulary = vocabulary_of(config, self.made_secret)
        same = before is not None and before.vocabulary == vocabulary
        native = before.native if before and same else self.make_vocabulary(vocabulary)
        transport = self.make_transport(config, native)
        host = replace(self.host, vocabulary=native, view=self.make_view(), table_bytes=table_bytes(config), rules=rules_of(config))
        host = replace(host, meanings=meanings_of(config), custom=config.custom_columns())
        builder = _Builder(config, host, transport, before if same else None)
        assembly = Assembly(config=config, vocabulary=vocabulary, native=native, transport=transport, engine=builder.engine())
        assembly.processors, assembly.connectors, assembly.exporters = builder.processors, builder.connectors, builder.exporters
        return assembly


class _Builder:
    def __init__(self, config: Config, host: Host, transport: Transport, before: Assembly | None) -> None:
        self._config, self._host, self._transport, self._before = config, host, transport, before
        self.processors: dict[Component, Processor] = {}
        self.connectors: dict[Component, Connector] = {}
        self.exporters: dict[Component, Exporter] = {}

    def engine(self) -> Engine | None:
        """The pipeline that analyses traces, and all that it needs."""
        for pipeline in self._config.pipelines:
            if pipeline.id.type == "traces" and any(each.family == "receivers" for each in pipeline.receivers):
                return self._engine(pipeline)
        return None

    def _engine(self, pipeline: Pipeline) -> Engine:
        replying = [each for each in pipeline.sinks if each.declared.replies]
        connectors = [(str(each.id), self._connector(each)) for each in pipeline.connectors]
        loops = self._loops(str(replying[0].id)) if replying else None
        return Engine(
            id=str(pipeline.id),
            processors=[(str(each.id), self._processor(each)) for each in pipeline.processors],
            sink=self._transport.sink(loops.exporter, loops) if loops else None,
            loops=loops,
            exporters=[(str(each.id), self._exporter(each)) for each in pipeline.sinks if each not in replying],
            connectors=connectors,
            clock=self._host.clock,
            telemetry=self._host.telemetry,
            on_gap=lambda gap: tell_gap(gap, (each for _, each in connectors)),
            passed_by=lambda: passed_by(self._transport.counted()),
        )

    def _loops(self, exporter: str) -> Loops:
        return Loops(exporter=exporter, clock=self._host.clock, telemetry=self._host.telemetry)

    def _processor(self, each: Component) -> Processor:
        kept = self._before.processors.get(each) if self._before else None
        self.processors[each] = kept if kept is not None else build(each, self._host)
        return self.processors[each]

    def _connector(self, each: Component) -> Connector:
        if each not in self.connectors:
            fed = [pipeline for pipeline in self._config.pipelines if each in pipeline.receivers]
            outputs: dict[Signal, list[Exporter]] = {}
            for pipeline in fed:
                outputs.setdefault(cast(Signal, pipeline.id.type), []).extend(map(self._exporter, pipeline.sinks))
            self.connectors[each] = build(each, replace(self._host, outputs=outputs))
        return self.connectors[each]

    def _exporter(self, each: Component) -> Exporter:
        if each not in self.exporters:
            builds = isinstance(each.settings, Builds)
            self.exporters[each] = build(each, self._host) if builds else self._transport.exporter(str(each.id))
        return self.exporters[each]


def build(component: Component, host: Host) -> Any:
    """Builds one component; whatever it raises becomes a ComponentError that names it."""
    try:
        return component.settings.build(replace(host, id=str(component.id)))
    except ApisecError:
        raise
    except Exception as error:
        raise ComponentError(f"{component.family}::{component.id} cannot be built: {type(error).__name__}: {error}") from error


def handed_over(old: Assembly, new: Assembly) -> list[str]:
    """Gives the parts of a new assembly what those of the old one remember; answers what begins without memory. Neither runs."""
    alike = [each for each in new.processors if old.processors.get(each) is new.processors[each]]
    cold = [str(each.id) for each, part in new.processors.items() if each not in alike and not isinstance(part, Keeps)]
    before, after = old.parts(), new.parts()
    changed = {name: part for name, part in after.items() if before.get(name) is not part}
    if old.vocabulary[1] != new.vocabulary[1]:
        return [*cold, *changed]
    return cold + given(changed, copied({name: part for name, part in before.items() if name in changed}))


def table_bytes(config: Config) -> int:
    """What all tables may hold together."""
    return sum(size for _, size in config.tables())


def meanings_of(config: Config) -> dict[str, str]:
    """By column: the settings, other than defaults, that its values depend on."""
    found: dict[str, list[object]] = {}
    for each in config.used():
        if each.family != "processors":
            continue
        said = declared(type(each.settings))
        for name, value in changed(each.settings):
            columns = said.provides if said.changes is None else said.changes.get(name, frozenset())
            for column in columns:
                found.setdefault(column, []).append([each.id.type, name, value])
    return {column: json.dumps(settings, default=repr, sort_keys=True) for column, settings in found.items()}


def changed(settings: Any) -> Iterator[tuple[str, Any]]:
    """Settings that are not as by default, as JSON takes them."""
    defaults = {each.name: each.default if each.default_factory is MISSING else each.default_factory() for each in fields(settings)}
    for name, value in leaves(settings):
        if value != defaults[name]:
            yield name, plain(value)


def rules_of(config: Config) -> dict[str, type]:
    """Classes of the detectors that run, by id."""
    rules: dict[str, type] = {}
    for each in config.used():
        if hasattr(each.settings, "running"):
            rules |= {id: type(settings) for id, settings, *_ in each.settings.running()}
    return rules


def passed_by(counted: Iterable[Counted]) -> float:
    """Spans that a transport has sent on without the engine."""
    return sum(count for name, _, count in counted if name == "apisec_unanalysed_spans")


def tell_gap(gap: Gap, connectors: Iterable[Connector]) -> None:
    """Tells the connectors that can make something of it that spans went on unanalysed."""
    for each in connectors:
        if hasattr(each, "gap"):
            each.gap(gap)
