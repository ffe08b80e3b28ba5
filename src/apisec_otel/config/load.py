"""Reads a configuration: files and settings in, a Config or all its problems out."""

from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path

from apisec_otel.builtin import known, load, resolve
from apisec_otel.component import Family
from apisec_otel.config.check import check
from apisec_otel.config.expand import Expander
from apisec_otel.config.model import Component, Config, Id, Pipeline, PipelineSettings, ServiceSettings, parse_id
from apisec_otel.config.node import NULL, Node, merge, parse, setting
from apisec_otel.config.packaged import packaged
from apisec_otel.config.settings import Reader
from apisec_otel.errors import ComponentError, ConfigError, Problem, suggest

SECTIONS: tuple[Family, ...] = ("receivers", "processors", "connectors", "exporters", "extensions")
SIGNALS = ("traces", "logs", "metrics")


def read(sources: Sequence[str | Path], settings: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> Config:
    """Reads, merges, expands and checks.

    `sources` are file names, or `file:NAME`, `packaged:NAME`, `env:NAME` and `yaml:TEXT`; a later one overrides an
    earlier one, and `settings` (`a::b=c`) override all. Raises ConfigError with every problem found.
    """
    expander = Expander(environment) if environment is not None else Expander()
    trees = [_source(str(source), expander) for source in sources] + [setting(each) for each in settings]
    if not trees:
        raise ConfigError([Problem("", "no configuration: give --config FILE")])
    expanded = [expander.expand(each) for each in trees]
    said = [each for each in expanded if each.value is not None]  # an empty file takes nothing away
    tree = reduce(merge, said or expanded)
    config = build(tree)
    return Config(config.components, config.extensions, config.pipelines, config.telemetry, (*expander.notes, *config.notes))


def build(tree: Node) -> Config:
    """Checks a merged and expanded tree; raises ConfigError with every problem found."""
    reader = Reader()
    if not isinstance(tree.value, dict):
        raise ConfigError([Problem("", f"the top must be a map of sections; {suggest('', (*SECTIONS, 'service'))}", str(tree.place))])
    for key in tree.map:
        if key not in (*SECTIONS, "service"):
            reader.problems.append(Problem(key, f"unknown section; {suggest(key, (*SECTIONS, 'service'))}", str(tree.key_place(key))))
    components = {family: _section(family, tree.map.get(family, NULL), reader) for family in SECTIONS}
    service = _service(tree, components, reader)
    if reader.problems:
        raise ConfigError(reader.problems)
    check(service, tree, reader)
    if reader.problems:
        raise ConfigError(reader.problems)
    return Config(service.components, service.extensions, service.pipelines, service.telemetry, tuple(reader.notes))


def _source(source: str, expander: Expander) -> Node:
    scheme, colon, rest = source.partition(":")
    if colon and scheme == "yaml":
        return parse(rest, source)
    if colon and scheme == "env":
        return parse(expander.environment.get(rest, ""), source)
    if colon and scheme == "packaged":
        return parse(packaged(rest).read_text(encoding="utf-8"), source)
    path = rest if colon and scheme == "file" else source
    try:
        return parse(Path(path).read_text(encoding="utf-8"), path)
    except OSError as error:
        raise ConfigError([Problem("", f"cannot be read: {error.strerror}", path)]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([Problem("", f"is not UTF-8 text: {error}", path)]) from error


def _section(family: Family, node: Node, reader: Reader) -> dict[Id, Component | None]:
    """The components of one section; None where the settings have a problem, so that references to it are not one more."""
    found: dict[Id, Component | None] = {}
    if node.value is not None and not isinstance(node.value, dict):
        reader.problem(node, (family,), "expects a map: an id, then its settings")
    for key, value in node.map.items():
        try:
            id = parse_id(key)
        except ValueError as error:
            reader.problems.append(Problem(family, str(error), str(node.key_place(key))))
            continue
        found[id] = _component(family, id, Node(value.value, node.key_place(key), value.text, value.keys), reader)
    return found


def _component(family: Family, id: Id, node: Node, reader: Reader) -> Component | None:
    path = (family, str(id))
    if resolve(family, id.type) not in known(family):
        reader.problem(node, path, f"unknown type {id.type!r}; {suggest(id.type, known(family))}")
        return None
    if resolve(family, id.type) != id.type:
        new = resolve(family, id.type)
        reader.notes.append(f"{node.place}: {family}::{id}: the type {id.type} is now called {new}; the old name still works")
    try:
        settings = reader.read(load(family, id.type), node, path)
    except ComponentError as error:
        reader.problem(node, path, str(error))
        return None
    return Component(family, id, settings, node) if settings is not None else None


def _service(tree: Node, components: Mapping[Family, Mapping[Id, Component | None]], reader: Reader) -> Config:
    node = tree.map.get("service", NULL)
    empty = Config({}, (), (), ServiceSettings().telemetry)
    if not node.map:
        reader.problem(tree, ("service",), "is missing: it says which pipelines run")
        return empty
    settings: ServiceSettings | None = reader.read(ServiceSettings, node, ("service",))
    if settings is None:
        return empty
    if not settings.pipelines:
        reader.problem(node, ("service", "pipelines"), "must have at least one pipeline")
    finder = _Finder(components, node, reader)
    extensions = finder.all(settings.extensions, ("extensions",), "extension", "extensions")
    pipelines = [finder.pipeline(key, each) for key, each in settings.pipelines.items()]
    whole = {family: {id: each for id, each in found.items() if each} for family, found in components.items()}
    return Config(whole, extensions, tuple(each for each in pipelines if each), settings.telemetry)


class _Finder:
    """Finds what `service` refers to."""

    def __init__(self, components: Mapping[Family, Mapping[Id, Component | None]], service: Node, reader: Reader) -> None:
        self._components, self._service, self._reader = components, service, reader

    def pipeline(self, key: str, settings: PipelineSettings) -> Pipeline | None:
        path = ("pipelines", key)
        try:
            id = parse_id(key)
        except ValueError as error:
            self._problem(path, str(error))
            return None
        if id.type not in SIGNALS:
            self._problem(path, f"unknown signal {id.type!r}; {suggest(id.type, SIGNALS)}")
            return None
        for part in ("receivers", "exporters"):
            if not getattr(settings, part):
                self._problem(path, f"must have at least one {part[:-1]}")
        return Pipeline(
            id,
            self.all(settings.receivers, (*path, "receivers"), "receiver", "receivers", "connectors"),
            self.all(settings.processors, (*path, "processors"), "processor", "processors"),
            self.all(settings.exporters, (*path, "exporters"), "exporter", "exporters", "connectors"),
        )

    def all(self, names: Sequence[str], path: tuple[str, ...], word: str, *families: Family) -> tuple[Component, ...]:
        found = []
        for index, name in enumerate(names):
            here = (*path, str(index))
            if name in names[:index]:
                self._problem(here, f"references {word} {name!r} twice")
            elif component := self._one(name, here, word, families):
                found.append(component)
        return tuple(found)

    def _one(self, name: str, path: tuple[str, ...], word: str, families: Sequence[Family]) -> Component | None:
        for family in families:
            for id, component in self._components[family].items():
                if str(id) == name:
                    return component
        configured = [str(id) for family in families for id in self._components[family]]
        hint = f"; {suggest(name, configured).replace('allowed', 'configured')}" if configured else ""
        self._problem(path, f'references {word} "{name}" which is not configured{hint}')
        return None

    def _problem(self, path: tuple[str, ...], what: str) -> None:
        node = self._service
        for step in path:
            node = node.map[step] if step in node.map else node.items[int(step)] if step.isdigit() and int(step) < len(node.items) else node
        shown = path[:2] if path[0] == "pipelines" else path[:1]
        self._reader.problem(node, ("service", *shown), what)
