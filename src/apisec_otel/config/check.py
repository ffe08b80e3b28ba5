"""What only shows when the parts are put together: order, loops, memory, who answers."""

import socket
from collections import Counter
from collections.abc import Iterator

from apisec_otel.builtin import known, load
from apisec_otel.component import Listens, Reads, Sends, Verifies, declared
from apisec_otel.config.model import Component, Config, Pipeline
from apisec_otel.config.node import Node, below
from apisec_otel.config.settings import Reader
from apisec_otel.config.tuned import tuned
from apisec_otel.errors import SettingsError

LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]", "::1", "0.0.0.0", "[::]", "::", ""})  # noqa: S104 recognised, not bound


def check(config: Config, tree: Node, reader: Reader) -> None:
    """Adds a problem for each thing that cannot work, and a note for what may surprise."""
    for pipeline in config.pipelines:
        _signals(pipeline, tree, reader)
        _order(pipeline, tree, reader)
        _one_reply(pipeline, tree, reader)
        _passed_through(pipeline, tree, reader)
    _fan_out(config, tree, reader)
    _connectors(config, tree, reader)
    _loops(config, reader)
    _memory(config, reader)
    _unused(config, reader)
    tuned(config, reader)
    if not reader.problems:
        _verify(config, reader)
        _blind(config, reader)


def _verify(config: Config, reader: Reader) -> None:
    """Lets components that plan ahead do so, so that `validate` hears what would fail at start."""
    custom = config.custom_columns()
    for each in config.used():
        if isinstance(each.settings, Verifies):
            try:
                reader.notes.extend(f"{each.family}::{each.id}: {note}" for note in each.settings.verify(custom))
            except SettingsError as error:
                for path, what in error.problems:
                    reader.problem(below(each.node, path), (each.family, str(each.id), *path), what)
            except Exception as error:
                reader.problem(each.node, (each.family, str(each.id)), str(error))


def _blind(config: Config, reader: Reader) -> None:
    """Notes what is never raised because a processor is left out that fills what it reads."""
    if reader.problems:
        return
    fills = {column: id for id in known("processors") for column in declared(load("processors", id)).provides}
    for pipeline in config.pipelines:
        filled = {column for each in pipeline.processors for column in each.declared.provides}
        for each in pipeline.processors:
            if not isinstance(each.settings, Reads):
                continue
            for reader_id, columns in each.settings.reads(config.custom_columns()).items():
                for source in sorted({fills[column] for column in columns - filled if column in fills}):
                    reader.notes.append(
                        f"processors::{each.id}: {reader_id} is never raised, for {source}, which fills what it reads, is not in this "
                        f'pipeline: put {source} before {each.id}, or set the mode of {reader_id} to "off"'
                    )


def _signals(pipeline: Pipeline, tree: Node, reader: Reader) -> None:
    signal = pipeline.id.type
    for each in (*pipeline.receivers, *pipeline.processors, *pipeline.exporters):
        feeds = each.family == "connectors" and each in pipeline.receivers
        able = each.declared.gives if feeds else each.declared.signals
        if signal not in able:
            where = "feed" if feeds else "stand in"
            kinds = ", ".join(sorted(able)) or "none"
            what = f'"{each.id}" cannot {where} a {signal} pipeline; it can {where}: {kinds}'
            reader.problem(_at(tree, pipeline), _path(pipeline), what)


def _order(pipeline: Pipeline, tree: Node, reader: Reader) -> None:
    """Each column must be filled before it is read; the problem names both sides."""
    providers: dict[str, list[str]] = {}
    for each in pipeline.processors:
        for column in each.declared.provides:
            providers.setdefault(column, []).append(str(each.id))
    for index, each in enumerate(pipeline.processors):
        if each.declared.first and index:
            what = f'"{each.id}" must be the first processor: a request that it refuses must not have been observed'
            reader.problem(_at(tree, pipeline), (*_path(pipeline), "processors"), what)
    filled: set[str] = set()
    for each in (*pipeline.processors, *pipeline.connectors):
        for source, columns in _missing(each, filled, providers):
            what = f'"{each.id}" needs the column{"s" * (len(columns) > 1)} {", ".join(columns)}, which '
            what += f'"{source}" fills only after it: put {source} before {each.id}' if source else "no processor here fills"
            reader.problem(_at(tree, pipeline), (*_path(pipeline), "processors"), what)
        filled |= each.declared.provides


def _missing(each: Component, filled: set[str], providers: dict[str, list[str]]) -> Iterator[tuple[str, list[str]]]:
    by_source: dict[str, list[str]] = {}
    for column in sorted(each.declared.needs - filled):
        others = [id for id in providers.get(column, []) if id != str(each.id)]
        by_source.setdefault(others[0] if others else "", []).append(column)
    yield from by_source.items()


def _passed_through(pipeline: Pipeline, tree: Node, reader: Reader) -> None:
    """Logs and metrics that are received go to the exporter that answers, and nowhere else."""
    if pipeline.id.type == "traces" or not any(each.family == "receivers" for each in pipeline.receivers):
        return
    for each in (each for each in pipeline.sinks if not each.declared.replies):
        what = f'"{each.id}" would hear of nothing: what is received here goes to the exporter that answers; let a connector feed it'
        reader.problem(_at(tree, pipeline), (*_path(pipeline), "exporters"), what)


def _one_reply(pipeline: Pipeline, tree: Node, reader: Reader) -> None:
    answering = [str(each.id) for each in pipeline.sinks if each.declared.replies]
    if len(answering) > 1:
        what = (
            f"has {len(answering)} exporters without a queue ({', '.join(answering)}); at most one may be: the sender hears its answer, "
            "and two answers could differ. Send to one, and let a Collector behind it send to the other"
        )
        reader.problem(_at(tree, pipeline), (*_path(pipeline), "exporters"), what)


def _fan_out(config: Config, tree: Node, reader: Reader) -> None:
    received = [each for each in config.pipelines if any(one.family == "receivers" for one in each.receivers)]
    analysed = [each for each in received if each.id.type == "traces"]
    for pipeline in analysed[1:]:
        what = f"is a second traces pipeline with a receiver, after {analysed[0].id}: one engine keeps one state; name all receivers in one"
        reader.problem(_at(tree, pipeline), _path(pipeline), what)
    for pipeline in config.pipelines:
        fed_by = [str(one.id) for one in pipeline.receivers if one.family == "connectors"]
        if fed_by and pipeline in received:
            what = f"mixes receivers with connector {fed_by[0]}, whose own spans would be analysed again; give it a pipeline of its own"
            reader.problem(_at(tree, pipeline), (*_path(pipeline), "receivers"), what)
        elif fed_by and pipeline.processors:
            what = f"is fed by connector {fed_by[0]} and has processors; what a connector makes goes straight to the exporters"
            reader.problem(_at(tree, pipeline), (*_path(pipeline), "processors"), what)
    fed = Counter((pipeline.id.type, each.id) for pipeline in received for each in pipeline.receivers)
    for pipeline in config.pipelines:
        for each in pipeline.receivers:
            if fed[pipeline.id.type, each.id] > 1:
                what = f'receiver "{each.id}" feeds more than one {pipeline.id.type} pipeline; a request has one reply: one may answer'
                reader.problem(_at(tree, pipeline), (*_path(pipeline), "receivers"), what)


def _connectors(config: Config, tree: Node, reader: Reader) -> None:
    for id, each in config.components.get("connectors", {}).items():
        ends = [pipeline for pipeline in config.pipelines if each in pipeline.exporters]
        starts = [pipeline for pipeline in config.pipelines if each in pipeline.receivers]
        if ends and not starts:
            what = "is an exporter of a pipeline but a receiver of none: what it finds would go nowhere"
            reader.problem(each.node, ("connectors", str(id)), what)
        if starts and not ends:
            reader.problem(each.node, ("connectors", str(id)), "is a receiver of a pipeline but an exporter of none: nothing comes to it")
        for pipeline in starts:
            if pipeline in ends:
                reader.problem(_at(tree, pipeline), _path(pipeline), f'connector "{id}" feeds itself')


def _loops(config: Config, reader: Reader) -> None:
    """An exporter must not send to a receiver of this service: each span would come back for ever."""
    used = list(config.used())
    own = {_same(address): each for each in used if isinstance(each.settings, Listens) for address in each.settings.listens()}
    for each in used:
        for address in each.settings.sends() if isinstance(each.settings, Sends) else ():
            receiver = own.get(_same(address))
            if receiver:
                what = f"sends to {address}, where receiver {receiver.id} of this service listens: every span would come back for ever"
                reader.problem(each.node, (each.family, str(each.id), "endpoint"), what)


def _same(address: str) -> tuple[str, str]:
    """Address and port, all names of this machine being one."""
    host, _, port = address.rpartition(":")
    host = host.lower()
    return ("localhost" if host in LOCAL or host == socket.gethostname().lower() else host), port


def _memory(config: Config, reader: Reader) -> None:
    """All tables together may hold half of what memory_limiter allows; the rest is for what is in flight and the process itself."""
    limits = [each for each in config.used() if hasattr(each.settings, "limit_bytes")]
    tables = list(config.tables())
    total = sum(size for _, size in tables)
    for limit in limits:
        allowed = limit.settings.limit_bytes() // 2
        if total > allowed:
            what = (
                f"the tables of {', '.join(f'{each.id} ({size >> 20} MiB)' for each, size in tables)} may hold {total >> 20} MiB; "
                f"half of the limit is {allowed >> 20} MiB. Raise limit_mib to {-(-total // (1 << 19))} or lower a table's cap"
            )
            reader.problem(limit.node, (limit.family, str(limit.id)), what)


def _unused(config: Config, reader: Reader) -> None:
    used = {(each.family, each.id) for each in config.used()}
    for family, found in config.components.items():
        idle = [str(id) for id in found if (family, id) not in used]
        if idle:
            where = "service::extensions" if family == "extensions" else "a pipeline"
            reader.notes.append(f"{family}: {', '.join(idle)} configured but not named in {where}, so not started")


def _path(pipeline: Pipeline) -> tuple[str, ...]:
    return "service", "pipelines", str(pipeline.id)


def _at(tree: Node, pipeline: Pipeline) -> Node:
    pipelines = tree.map["service"].map["pipelines"]
    node = pipelines.map[str(pipeline.id)]
    return Node(node.value, pipelines.key_place(str(pipeline.id)), keys=node.keys)
