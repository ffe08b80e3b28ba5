"""Self-metrics, with the Collector's names, and the log on stderr.

Counting is a dict access, for the engine thread counts per batch; the OpenTelemetry SDK reads the dicts when Prometheus
asks. The SDK is imported only when the metrics are served.
"""

import json
import logging
import os
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Observation

Kind = Literal["counter", "gauge"]
Labels = tuple[tuple[str, str], ...]

UNITS = {
    "otelcol_process_uptime": "s",
    "otelcol_process_memory_rss": "By",
    "otelcol_process_cpu_seconds": "s",
    "apisec_component_seconds": "s",
    "apisec_snapshot_pause_seconds": "s",
    "apisec_snapshot_age_seconds": "s",
    "apisec_snapshot_bytes": "By",
}
"""Units that Prometheus appends to a name; all else is a plain count."""


ITEMS = {"traces": "spans", "logs": "log_records", "metrics": "metric_points"}
"""What a signal is made of, in the names of counters."""
COUNTED_ELSEWHERE = (
    *(f"otelcol_{what}_{of}" for what in ("receiver_accepted", "receiver_refused") for of in (*ITEMS.values(), "requests")),
    *(f"otelcol_{what}_{of}" for what in ("exporter_sent", "exporter_send_failed") for of in ITEMS.values()),
    "otelcol_exporter_withheld_spans",
    "apisec_io_events",
    "apisec_unanalysed_spans",
)
"""Counters of the native side."""


class Telemetry:
    """Counters by name and labels, and callbacks that are asked when somebody looks."""

    def __init__(self) -> None:
        self._counts: dict[str, defaultdict[Labels, float]] = {}
        self._callbacks: dict[str, tuple[Kind, dict[Labels, Callable[[], float]]]] = {}
        self._others: Callable[[], Iterable[tuple[str, Mapping[str, str], float]]] = tuple
        self._published: set[str] = set()
        self._meter: Any = None
        self._stop: Callable[[], None] = lambda: None

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        """Counts `amount` more; only ever called by one thread for one name and labels."""
        series = self._counts.get(name)
        if series is None:
            series = self._counts[name] = defaultdict(float)
            self._publish(name)
        series[tuple(labels.items())] += amount

    def counter(self, name: str, **labels: str) -> Callable[[float], None]:
        """Counts into one series, looked up once: for what is counted with every batch."""
        self.add(name, 0, **labels)
        series, key = self._counts[name], tuple(labels.items())

        def count(amount: float) -> None:
            series[key] += amount

        return count

    def observe(self, name: str, callback: Callable[[], float], kind: Kind = "gauge", **labels: str) -> None:
        """Asks `callback` for the value whenever the metrics are read; a later call for the same labels replaces it."""
        self._callbacks.setdefault(name, (kind, {}))[1][tuple(labels.items())] = callback
        self._publish(name)

    def observe_all(self, callback: "Callable[[], Iterable[tuple[str, Mapping[str, str], float]]]") -> None:
        """Asks `callback` for counters (name, labels, value) of a side that counts for itself; replaces the one before."""
        self._others = callback
        for name in COUNTED_ELSEWHERE:
            self._publish(name)

    def checkpoint(self) -> Callable[[], None]:
        """What is answered, when called, goes back to the present callbacks; counts are left alone."""
        present = {name: (kind, dict(series)) for name, (kind, series) in self._callbacks.items()}

        def back() -> None:
            self._callbacks = present

        return back

    def value(self, name: str, **labels: str) -> float:
        """The present value of one series; 0 when it was never counted."""
        key = tuple(labels.items())
        if name in self._callbacks:
            callback = self._callbacks[name][1].get(key)
            return callback() if callback else 0
        return self._counts[name].get(key, 0) if name in self._counts else 0

    def serve(self, host: str, port: int) -> int:
        """Starts Prometheus on `http://host:port/metrics`; answers the port, and raises OSError when it is taken."""
        from opentelemetry.exporter.prometheus import PrometheusMetricReader
        from opentelemetry.sdk.metrics import MeterProvider
        from prometheus_client import REGISTRY, start_http_server

        for collector in list(REGISTRY._collector_to_names):  # noqa: SLF001 a scrape shows our metrics only
            REGISTRY.unregister(collector)
        reader = PrometheusMetricReader(scope_info_enabled=False)
        provider = MeterProvider([reader], shutdown_on_exit=False)
        self._meter = provider.get_meter("apisec_otel")
        for name in (*self._counts, *self._callbacks):
            self._publish(name)
        server, thread = start_http_server(port, addr=host)

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()
            provider.shutdown()
            self._published.clear()
            self._meter = None

        self._stop = stop
        return int(server.server_port)

    def stop(self) -> None:
        """Closes the port again; what was counted stays."""
        self._stop()
        self._stop = lambda: None

    def _publish(self, name: str) -> None:
        if self._meter is None or name in self._published:
            return
        self._published.add(name)
        kind = self._callbacks[name][0] if name in self._callbacks else "counter"
        create = self._meter.create_observable_counter if kind == "counter" else self._meter.create_observable_gauge
        create(name, callbacks=[lambda options: self._read(name, options)], unit=UNITS.get(name, ""))

    def _read(self, name: str, _: "CallbackOptions") -> "Iterable[Observation]":
        from opentelemetry.metrics import Observation

        for labels, count in list(self._counts.get(name, {}).items()):
            yield Observation(count, dict(labels))
        for other, named, value in self._others() if name in COUNTED_ELSEWHERE else ():
            if other == name:
                yield Observation(value, dict(named))
        for labels, callback in list(self._callbacks.get(name, ("gauge", {}))[1].items()):
            yield Observation(callback(), dict(labels))


def observe_process(telemetry: Telemetry) -> None:
    """Uptime, resident memory and processor time of this process."""
    started = time.monotonic()
    telemetry.observe("otelcol_process_uptime", lambda: time.monotonic() - started, "counter")
    telemetry.observe("otelcol_process_memory_rss", resident_bytes)
    telemetry.observe("otelcol_process_cpu_seconds", time.process_time, "counter")


def resident_bytes() -> int:
    """Resident memory now; where /proc is missing (macOS), its peak."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class _Console(logging.Formatter):
    """`time<TAB>level<TAB>logger<TAB>message`, as the Collector's console encoding; control characters escaped."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        return "\n".join(part.encode("unicode_escape").decode() if not part.isprintable() else part for part in _tabbed(line))


def _tabbed(text: str) -> list[str]:
    return text.replace("\t", "  ").split("\n")


class _Json(logging.Formatter):
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        fields = {"ts": self.formatTime(record), "level": record.levelname.lower(), "logger": record.name, "msg": record.getMessage()}
        if record.exc_info:
            fields["stacktrace"] = self.formatException(record.exc_info)
        return json.dumps(fields)


def log_to_stderr(level: str = "INFO", encoding: Literal["console", "json"] = "console") -> None:
    """Sends the log of this process to stderr; a second call replaces the first."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if encoding == "json" else _Console("%(asctime)s  %(levelname)-5s %(name)s  %(message)s"))
    logger = logging.getLogger("apisec_otel")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False
