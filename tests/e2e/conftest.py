"""Fixtures of the end-to-end tests: real programs, each ended when its test ends."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from helpers import Process
from parts import build, running
from parts.running import MakeApisec, MakeCollector
from parts.sinks import GrpcSink, HttpSink


@pytest.fixture(scope="session")
def otelcol() -> Path:
    """The Collector's binary; compiled once, which takes minutes."""
    return build.build_collector()


@pytest.fixture(scope="session")
def node_client() -> Path:
    """The script that sends with OpenTelemetry's Node SDK."""
    return build.build_node() / "send.mjs"


@pytest.fixture
def alertmanager(programs: ExitStack, tmp_path: Path) -> str:
    """The URL of a running Alertmanager that pages nobody."""
    url, process = running.alertmanager(build.build_alertmanager(), tmp_path / "alertmanager")
    programs.enter_context(process)
    return url


@pytest.fixture
def programs() -> Iterator[ExitStack]:
    """Ends what a test entered into it, last first."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def start(programs: ExitStack) -> Callable[[Process], Process]:
    """Starts a process, waits until it is ready, and ends it with the test."""
    return programs.enter_context


@pytest.fixture
def make_collector(otelcol: Path, start: Callable[[Process], Process], tmp_path: Path) -> MakeCollector:
    """Starts Collectors: `make_collector("front", apisec="127.0.0.1:1234")`."""

    def make(name: str = "collector", **settings: str) -> running.Collector:
        folder = tmp_path / name
        folder.mkdir()
        made = running.collector(otelcol, folder, **settings)
        start(made.process)
        return made

    return make


@pytest.fixture
def make_apisec(start: Callable[[Process], Process], tmp_path: Path) -> MakeApisec:
    """Starts apisec-otel in front of a backend: `make_apisec(*to_grpc(sink.port))`."""
    if find_spec("apisec_otel") is None or find_spec("apisec_otel._native") is None:
        pytest.skip("apisec-otel is not built here: `maturin develop --uv` or `make build` first")

    def make(exporter: str, settings: dict[str, Any], merge: dict[str, Any] | None = None, name: str = "apisec") -> running.Apisec:
        folder = tmp_path / name
        folder.mkdir()
        made = running.apisec(folder, exporter, settings, merge)
        start(made.process)
        return made

    return make


@pytest.fixture
def grpc_sink() -> Iterator[GrpcSink]:
    """A gRPC backend inside the test."""
    with GrpcSink() as sink:
        yield sink


@pytest.fixture
def http_sink() -> Iterator[HttpSink]:
    """An HTTP backend inside the test."""
    with HttpSink() as sink:
        yield sink
