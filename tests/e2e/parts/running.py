"""The programs of a test, started with the settings it needs: the Collector and apisec-otel."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from helpers import Process, answers, free_port
from parts import spans

ROOT = Path(__file__).resolve().parents[3]
E2E = ROOT / "tests" / "e2e"
STEPS = ("memory_limiter", "requests", "endpoints", "sessions", "detect", "decide")


@dataclass(frozen=True)
class Collector:
    """A running Collector with collector-config.yaml, its destination a file."""

    process: Process
    grpc: int
    http: int
    checked_grpc: int
    checked_http: int
    file: Path

    def spans(self) -> list[Any]:
        """The spans that have come out at the far end."""
        return list(spans.spans_of(spans.read_file(self.file)))

    def logs(self) -> list[Any]:
        """The log records that have come out at the far end."""
        requests = spans.read_file(self.file, "logs")
        return [
            record for each in requests for resource in each.resource_logs for scope in resource.scope_logs for record in scope.log_records
        ]


def alertmanager(binary: Path, folder: Path) -> tuple[str, Process]:
    """An Alertmanager that is not started yet, and its URL."""
    folder.mkdir()
    (folder / "alertmanager.yml").write_text("route: {receiver: nobody, group_wait: 0s}\nreceivers: [{name: nobody}]\n")
    url = f"http://127.0.0.1:{free_port()}"
    words = (f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder / 'data'}", "--cluster.listen-address=")
    command = [binary, *words, f"--web.listen-address={url.removeprefix('http://')}"]
    log = folder / "alertmanager.log"
    return url, Process("Alertmanager", command, log=log, ready=lambda: answers(f"{url}/-/ready"), cwd=binary.parent)


def collector(binary: Path, folder: Path, more: Sequence[Path] = (), **settings: str) -> Collector:
    """A Collector that is not started yet; `more` is laid over collector-config.yaml, whose settings `settings` are, in small letters."""
    grpc, http, checked_grpc, checked_http, health, metrics = (free_port() for _ in range(6))
    file = folder / "collector.jsonl"
    environment = {
        "APPS_GRPC": f"127.0.0.1:{grpc}",
        "APPS_HTTP": f"127.0.0.1:{http}",
        "CHECKED_GRPC": f"127.0.0.1:{checked_grpc}",
        "CHECKED_HTTP": f"127.0.0.1:{checked_http}",
        "APISEC": f"127.0.0.1:{checked_grpc}",
        "COLLECTOR_HEALTH": f"127.0.0.1:{health}",
        "COLLECTOR_METRICS": str(metrics),
        "DESTINATION": "file",
        "FILE": str(file),
    } | {name.upper(): value for name, value in settings.items()}
    process = Process(
        "the Collector",
        [binary, *(word for file in (ROOT / "collector-config.yaml", *more) for word in ("--config", file))],
        log=folder / "collector.log",
        ready=lambda: answers(f"http://127.0.0.1:{health}/"),
        env=environment,
    )
    return Collector(process, grpc, http, checked_grpc, checked_http, file)


@dataclass(frozen=True)
class Apisec:
    """A running apisec-otel."""

    process: Process
    grpc: int
    http: int
    health: int
    metrics: int

    def endpoint(self, protocol: str) -> str:
        """Where to send, in the form that clients take."""
        return f"127.0.0.1:{self.grpc}" if protocol == "grpc" else f"http://127.0.0.1:{self.http}"


def apisec(folder: Path, exporter: str, settings: Mapping[str, Any], merge: Mapping[str, Any] | None = None) -> Apisec:
    """An apisec-otel that is not started yet, everything going to one exporter; `merge` is merged over its configuration."""
    grpc, http, health, metrics = (free_port() for _ in range(4))
    config = _config(grpc, http, health, metrics, folder / "state", exporter, settings)
    files = [folder / "apisec.yaml", folder / "more.yaml"]
    files[0].write_text(yaml.safe_dump(config))
    files[1].write_text(yaml.safe_dump(dict(merge or {})))
    process = Process(
        "apisec-otel",
        [sys.executable, "-m", "apisec_otel", "run", *(word for file in files for word in ("--config", file))],
        log=folder / "apisec.log",
        ready=lambda: answers(f"http://127.0.0.1:{health}/"),
    )
    return Apisec(process, grpc, http, health, metrics)


def tap(folder: Path, grpc: int, backend: int) -> Apisec:
    """The packaged tap, not started yet, on ports of its own; findings go to an HTTP backend on loopback."""
    http, health, metrics = (free_port() for _ in range(3))
    reader = {"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": metrics}}}}
    ports = folder / "ports.yaml"
    ports.write_text(
        yaml.safe_dump(
            {
                "extensions": {"health_check": {"endpoint": f"127.0.0.1:{health}"}},
                "service": {"telemetry": {"metrics": {"readers": [reader]}}},
            }
        )
    )
    process = Process(
        "apisec-otel",
        [sys.executable, "-m", "apisec_otel", "run", "--config", "packaged:tap", "--config", ports],
        log=folder / "apisec.log",
        ready=lambda: answers(f"http://127.0.0.1:{health}/"),
        env={
            "GRPC_ENDPOINT": f"127.0.0.1:{grpc}",
            "HTTP_ENDPOINT": f"127.0.0.1:{http}",
            "BACKEND": f"http://127.0.0.1:{backend}",
            "STATE_DIRECTORY": str(folder / "state"),
        },
    )
    return Apisec(process, grpc, http, health, metrics)


def _config(grpc: int, http: int, health: int, metrics: int, state: Path, exporter: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Section 8 of the design, on ports of its own; findings leave through the same exporter."""
    pipelines = {
        "traces": {"receivers": ["otlp"], "processors": list(STEPS), "exporters": [exporter, "findings"]},
        "logs": {"receivers": ["otlp"], "exporters": [exporter]},
        "metrics": {"receivers": ["otlp"], "exporters": [exporter]},
    } | {f"{signal}/findings": {"receivers": ["findings"], "exporters": [exporter]} for signal in ("traces", "logs", "metrics")}
    reader = {"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": metrics}}}}
    return {
        "receivers": {
            "otlp": {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{grpc}"}, "http": {"endpoint": f"127.0.0.1:{http}"}}},
        },
        "processors": {step: {} for step in STEPS} | {"memory_limiter": {"check_interval": "1s", "limit_mib": 512}},
        "connectors": {"findings": {"metrics_interval": "1s"}},
        "exporters": {exporter: dict(settings)},
        "extensions": {"health_check": {"endpoint": f"127.0.0.1:{health}"}, "file_storage": {"directory": str(state)}},
        "service": {
            "extensions": ["health_check", "file_storage"],
            "telemetry": {"metrics": {"readers": [reader]}},
            "pipelines": pipelines,
        },
    }


MakeCollector = Callable[..., Collector]
MakeApisec = Callable[..., Apisec]


def to_grpc(port: int) -> tuple[str, dict[str, Any]]:
    """Exporter and its settings for a gRPC backend on loopback."""
    return "otlp_grpc", {"endpoint": f"127.0.0.1:{port}", "tls": {"insecure": True}}


def to_http(port: int) -> tuple[str, dict[str, Any]]:
    """Exporter and its settings for an HTTP backend on loopback."""
    return "otlp_http", {"endpoint": f"http://127.0.0.1:{port}"}


def part(module: str, *arguments: object, log: Path, ready: Callable[[], bool] = lambda: True) -> Process:
    """One of this folder's modules as a process: `parts.sinks`, `parts.sender`, `parts.sdk`."""
    return Process(module, [sys.executable, "-m", module, *map(str, arguments)], log=log, ready=ready, cwd=E2E)
