"""Runs a configuration: starts, reloads, drains.

Start goes against the stream (extensions, exporters, connectors, engine, receivers last), stop goes with it: nothing
comes in before everything behind it is ready, and nothing that came in is lost.
"""

import gc
import logging
import os
import queue
import secrets
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Literal

from apisec_otel.assembly import Assembler, Assembly, Vocabulary, build, handed_over, native_rows, native_vocabulary
from apisec_otel.clock import Clock, SystemClock
from apisec_otel.component import EndpointNames, Host, Queues, Running
from apisec_otel.config import Component, Config
from apisec_otel.errors import ApisecError, ComponentError
from apisec_otel.extensions.file_storage import Directory
from apisec_otel.extensions.health_check import Health, Server
from apisec_otel.snapshots.frames import SnapshotError
from apisec_otel.snapshots.keeper import Keeper
from apisec_otel.telemetry import Telemetry, log_to_stderr, observe_process
from apisec_otel.transport import Transport

log = logging.getLogger(__name__)

DRAIN = 10.0
"""Seconds that requests in flight have to be answered when the service stops."""

Event = Literal["stop", "reload"]


@dataclass(kw_only=True)
class Service:
    """Everything that runs in one process."""

    load: Callable[[], Config]
    """Reads the configuration; called again for a reload."""
    make_transport: Callable[[Config, Any], Transport]
    make_vocabulary: Callable[[Vocabulary], Any] = native_vocabulary
    make_view: Callable[[], Callable[[Any], Any]] = native_rows
    clock: Clock = field(default_factory=SystemClock)
    telemetry: Telemetry = field(default_factory=Telemetry)
    _extensions: dict[Component, Any] = field(default_factory=dict)
    _now: Assembly | None = None
    _engine: threading.Thread | None = None
    _keeper: Keeper | None = None
    _ending: threading.Event = field(default_factory=threading.Event)
    _broken: dict[str, str] = field(default_factory=dict)
    _available: bool = False
    _names: EndpointNames = field(default_factory=EndpointNames)
    """One for all configurations: a processor that is kept must hear the names of one that is new."""
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    _events: "queue.SimpleQueue[Event]" = field(default_factory=queue.SimpleQueue)

    def run(self) -> None:
        """Starts, then obeys signals until one says stop; raises ApisecError when it cannot start."""
        with self._signals():
            self.start()
            while self._events.get() == "reload":
                self.reload()
            log.info("stopping: no new requests, %d s for those in flight", DRAIN)
            self.stop()

    def start(self) -> None:
        """Starts all of it; on an error everything is stopped again."""
        config = self.load()
        self._log(config)
        observe_process(self.telemetry)
        try:
            self._serve_metrics(config)
            self._start_extensions(config)
            self._begin(self._restored(config))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Drains and closes; may be called at any time and more than once."""
        self._available = False
        keeper = self._keeper
        ended = self._end()
        if keeper and ended:
            keeper.finish()
        for each in reversed(list(self._extensions.values())):
            _stop(each)
        self._extensions = {}
        self.telemetry.stop()

    def reload(self) -> None:
        """Goes over to the configuration as it is now; when it is invalid or cannot be built, the old one goes on."""
        old = self._now
        undo = (self._names.checkpoint(), self.telemetry.checkpoint())
        try:
            config = self.load()
            new = self._assembler().assemble(config, old)
        except ApisecError as error:
            for back in undo:
                back()
            log.error("reload: the configuration is left as it was:\n%s", error)
            return
        self._end()
        try:
            self._log(config)
            self._start_extensions(config)
            new, cold = self._handed_over(old, new)
            self._begin(new)
        except ApisecError as error:
            log.error("reload: back to the old configuration: %s", error)
            self._end()
            for back in undo:
                back()
            if old:
                self._start_extensions(old.config)
                self._begin(self._assembler().assemble(old.config, old))
            return
        log.info("reloaded")
        _warn_of(cold)

    def ask(self, event: Event) -> None:
        """Has the running service reload or stop, as a signal would."""
        self._events.put(event)

    def health(self) -> Health:
        """What the health check says."""
        engine = self._now.engine if self._now else None
        failure = self._keeper.failure if self._keeper else ""
        unkept = {"file_storage": f"the last snapshot failed: {failure}"} if failure else {}
        return Health(self._available, {**(engine.degraded() if engine else {}), **unkept, **self._unsent(), **self._broken})

    def coverage(self) -> list[dict[str, Any]]:
        """What each service's telemetry lacks, as JSON values."""
        processors = self._now.processors.values() if self._now else ()
        return [service.as_json() for each in processors if hasattr(each, "coverage") for service in each.coverage()]

    def _unsent(self) -> dict[str, str]:
        """Exporters with a queue that cannot send, and why."""
        exporters = self._now.exporters if self._now else {}
        return {str(each.id): part.failure for each, part in exporters.items() if isinstance(part, Queues) and part.failure}

    def _assembler(self) -> Assembler:
        directory = self._directory()
        host = Host(
            clock=self.clock,
            telemetry=self.telemetry,
            directory=directory.path if directory else None,
            in_flight=self._in_flight,
            endpoint_names=self._names,
            received=self.clock.now,
        )
        if directory:
            self._secret = directory.hash_key()
        return Assembler(
            host=host,
            make_transport=self.make_transport,
            make_vocabulary=self.make_vocabulary,
            make_view=self.make_view,
            made_secret=self._secret,
        )

    def _restored(self, config: Config) -> Assembly:
        """Everything built, with the state that an earlier process kept."""
        new = self._assembler().assemble(config)
        keeper = self._make_keeper(new)
        if keeper is None:
            return new
        try:
            cold = keeper.restore()
        except SnapshotError as error:
            log.error("file_storage: %s; starting without memory", error)
            new.transport.close()
            return self._assembler().assemble(config)
        if cold is not None:
            log.info("file_storage: what was remembered is back")
            _warn_of(cold)
        return new

    def _handed_over(self, old: Assembly | None, new: Assembly) -> tuple[Assembly, list[str]]:
        """The new assembly with what the old one remembers, and what begins without memory; should that fail, all of it."""
        try:
            return new, handed_over(old, new) if old else []
        except Exception:
            log.exception("reload: what is remembered cannot be handed over")
            new.transport.close()
            new = self._assembler().assemble(new.config)
            return new, list(new.parts())

    def _make_keeper(self, new: Assembly) -> Keeper | None:
        directory, parts = self._directory(), new.parts()
        if directory is None or not parts:
            return None
        every = directory.settings.snapshot_interval.total_seconds()
        fsync, secret = directory.settings.fsync, new.vocabulary[1]
        return Keeper(parts, directory.path, secret, every=every, fsync=fsync, clock=self.clock, telemetry=self.telemetry)

    def _in_flight(self) -> int:
        return self._now.transport.in_flight() if self._now else 0

    def _directory(self) -> Directory | None:
        return next((each for each in self._extensions.values() if isinstance(each, Directory)), None)

    def _start_extensions(self, config: Config) -> None:
        """Starts what is new, stops what is gone, leaves the rest alone."""
        for component in [each for each in self._extensions if each not in config.extensions]:
            _stop(self._extensions.pop(component))
        for component in config.extensions:
            if component not in self._extensions:
                extension = build(component, Host(clock=self.clock, telemetry=self.telemetry))
                if isinstance(extension, Server):
                    extension.report = self.health
                    extension.coverage = self.coverage
                _start(component, extension)
                self._extensions[component] = extension

    def _begin(self, new: Assembly) -> None:
        self._now = new
        self._ending.clear()
        for component, exporter in new.exporters.items():
            _start(component, exporter)
        for component, connector in new.connectors.items():
            _start(component, connector)
        self._keeper = self._make_keeper(new)
        _settle()
        if new.engine:
            if self._keeper:
                new.engine.between = self._keeper.turn
            self._engine = threading.Thread(target=self._work, args=(new,), name="engine", daemon=True)
            self._engine.start()
        new.transport.start()
        self._available = True
        log.info("everything is ready: %s", ", ".join(f"{each.id}" for each in new.config.pipelines))

    def _end(self) -> bool:
        """Stops what `_begin` started: receivers first; answers whether state is at rest now."""
        now = self._now
        if not now:
            return False
        self._ending.set()
        now.transport.stop(DRAIN)
        at_rest = True
        if self._engine:
            self._engine.join(DRAIN)
            at_rest = not self._engine.is_alive()
            self._engine = None
        if self._keeper and at_rest:
            self._keeper.abandon()
        for part in (*now.connectors.values(), *now.exporters.values()):
            _stop(part)
        now.transport.close()
        self._now = self._keeper = None
        return at_rest

    def _work(self, now: Assembly) -> None:
        """The engine thread. What escapes a turn is a fault of ours: it is told, and the next turn begins anew."""
        keeper = self._keeper
        while now.engine:
            try:
                now.engine.run(now.transport.source(keeper.is_hurried) if keeper else now.transport.source())
                return
            except Exception as error:
                if self._ending.wait(1.0):
                    return
                self._broken["engine"] = f"{type(error).__name__}: {error}"
                log.exception("the engine failed and begins anew")

    def _serve_metrics(self, config: Config) -> None:
        metrics = config.telemetry.metrics
        if metrics.level == "none":
            return
        for reader in metrics.readers[:1]:
            address = reader.pull.exporter.prometheus
            try:
                port = self.telemetry.serve(address.host, address.port)
            except OSError as error:
                where = f"{address.host}:{address.port}"
                raise ComponentError(f"service::telemetry::metrics cannot listen on {where}: {error.strerror}") from error
            log.info("self-metrics on http://%s:%d/metrics", address.host, port)
        self.telemetry.observe_all(lambda: self._now.transport.counted() if self._now else ())

    @staticmethod
    def _log(config: Config) -> None:
        logs = config.telemetry.logs
        log_to_stderr("WARNING" if logs.level == "WARN" else logs.level, logs.encoding)
        for note in config.notes:
            log.warning("%s", note)

    def _signals(self) -> "_Signals":
        return _Signals(self._events)


class _Signals:
    """SIGTERM and SIGINT stop, SIGHUP reloads; a second SIGINT ends at once."""

    def __init__(self, events: "queue.SimpleQueue[Event]") -> None:
        self._events = events
        self._before: dict[int, Any] = {}
        self._stopping = False

    def __enter__(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self._before[number] = signal.signal(number, self._take)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._events.put("reload")
            return
        if number == signal.SIGINT and self._stopping:
            os._exit(130)
        self._stopping = True
        self._events.put("stop")


def _settle() -> None:
    """What was built for the run is never looked through for garbage again: each time would keep spans waiting for 40 ms."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _warn_of(cold: Sequence[str]) -> None:
    if cold:
        log.warning("new or changed, so begun without memory: %s", ", ".join(cold))


def _start(component: Component, part: Any) -> None:
    if not isinstance(part, Running):
        return
    try:
        part.start()
    except ApisecError:
        raise
    except Exception as error:
        raise ComponentError(f"{component.family}::{component.id} cannot start: {type(error).__name__}: {error}") from error


def _stop(part: Any) -> None:
    if not isinstance(part, Running):
        return
    try:
        part.stop()
    except Exception:
        log.exception("%s failed to stop", type(part).__name__)
