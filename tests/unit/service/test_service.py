"""The life of a service: start, reload, drain; health and self-metrics."""

import json
import logging
import os
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.unit.service.fakes import FakeDelivery, FakeTransport

from apisec_otel import builtin
from apisec_otel.clock import ManualClock
from apisec_otel.component import EndpointNames, Host
from apisec_otel.config import read
from apisec_otel.errors import ApisecError, ComponentError
from apisec_otel.extensions.file_storage import Directory, FileStorage
from apisec_otel.extensions.health_check import Health, HealthCheck
from apisec_otel.service import Service
from apisec_otel.spans.batch import SpanBatch
from apisec_otel.telemetry import Telemetry, log_to_stderr, observe_process


@dataclass(frozen=True, kw_only=True)
class Count:
    """Counts batches; says no to be built when told so."""

    provides: ClassVar[frozenset[str]] = frozenset({"counted"})

    step: int = 1
    """Added for each batch."""
    broken: bool = False
    """Fail when built."""

    def build(self, host: Host) -> "Counting":
        if self.broken:
            raise RuntimeError("no")
        return Counting(self.step)


class Counting:
    def __init__(self, step: int) -> None:
        self.step, self.total = step, 0

    def process(self, batch: SpanBatch) -> None:
        self.total += self.step


TEXT = """
receivers: {otlp: }
processors: {count: {step: 2}, count/other: {}}
exporters: {otlp_http: {endpoint: "http://backend:4318"}}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    traces: {receivers: [otlp], processors: [count, count/other], exporters: [otlp_http]}
"""


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, list[FakeTransport], Service]]:
    monkeypatch.setitem(builtin.BUILTIN["processors"], "count", f"{__name__}:Count")
    monkeypatch.setattr(
        builtin, "import_module", lambda name: __import__("sys").modules[name] if name == __name__ else __import__(name, fromlist=["_"])
    )
    builtin.load.cache_clear()
    file, made = tmp_path / "c.yaml", []
    file.write_text(TEXT)

    def transport(config: Any, vocabulary: Any) -> FakeTransport:
        made.append(FakeTransport(config, vocabulary))
        return made[-1]

    service = Service(
        load=lambda: read([file]), make_transport=transport, make_vocabulary=lambda given: given, make_view=lambda: lambda batch: batch
    )
    yield file, made, service
    service.stop()
    builtin.load.cache_clear()
    logging.getLogger("apisec_otel").propagate = True


def processors(service: Service) -> dict[str, Any]:
    assert service._now
    return {str(key.id): each for key, each in service._now.processors.items()}


def until(condition: Any) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_starts_works_and_drains(configured: Any) -> None:
    _, made, service = configured
    service.start()
    assert service.health() == Health(True)
    delivery = FakeDelivery()
    made[0].waiting.put(delivery)
    service.stop()
    assert delivery.answer == "accepted", "what came in before the stop is answered"
    assert made[0].events == ["start", "stop", "close"]
    assert not service.health().available


def test_a_reload_keeps_what_is_unchanged(configured: Any, caplog: Any) -> None:
    file, made, service = configured
    service.start()
    before = processors(service)
    file.write_text("# moved a line\n" + TEXT.replace("step: 2", "step: 3"))
    service.reload()
    after = processors(service)
    assert after["count/other"] is before["count/other"]
    assert after["count"] is not before["count"]
    assert made[0].events == ["start", "stop", "close"]
    assert made[1].events == ["start"]
    delivery = FakeDelivery()
    made[1].waiting.put(delivery)
    until(lambda: delivery.answer)
    assert after["count"].total == 3


@pytest.mark.parametrize("bad", [TEXT.replace("step: 2", "stepp: 2"), TEXT.replace("step: 2", "broken: true"), "a: ["])
def test_an_invalid_reload_leaves_the_old_one_running(configured: Any, bad: str) -> None:
    file, made, service = configured
    service.start()
    before = processors(service)
    file.write_text(bad)
    service.reload()
    assert processors(service) == before
    assert made[0].events == ["start"]
    delivery = FakeDelivery()
    made[0].waiting.put(delivery)
    until(lambda: delivery.answer)


def test_a_reload_that_fails_leaves_names_and_callbacks_as_they_were() -> None:
    names, telemetry = EndpointNames(), Telemetry()
    names.follow(lambda key: "old")
    telemetry.observe("apisec_requests", lambda: 1.0)
    undo = (names.checkpoint(), telemetry.checkpoint())
    names.follow(lambda key: "new")
    telemetry.observe("apisec_requests", lambda: 2.0)
    for back in undo:
        back()
    assert (names.name(1), telemetry.value("apisec_requests")) == ("old", 1.0)


def test_what_is_received_now_has_the_clocks_time_and_one_book_of_names(configured: Any) -> None:
    _, _, service = configured
    service.clock = ManualClock(at=7)
    first, second = service._assembler().host, service._assembler().host
    assert first.received() == 7
    assert first.endpoint_names is second.endpoint_names


def test_a_component_that_cannot_be_built_is_named(configured: Any) -> None:
    file, _, service = configured
    file.write_text(TEXT.replace("step: 2", "broken: true"))
    with pytest.raises(ComponentError, match="processors::count cannot be built: RuntimeError: no"):
        service.start()


def test_signals_reload_and_stop(configured: Any) -> None:
    file, made, service = configured

    def send() -> None:
        until(lambda: made and made[0].events)
        file.write_text(TEXT.replace("step: 2", "step: 5"))
        os.kill(os.getpid(), signal.SIGHUP)
        until(lambda: len(made) > 1 and made[1].events)
        os.kill(os.getpid(), signal.SIGTERM)

    sender = threading.Thread(target=send)
    sender.start()
    service.run()
    sender.join()
    assert made[1].events == ["start", "stop", "close"]


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_health_and_metrics_over_http(configured: Any) -> None:
    file, made, service = configured
    text = TEXT.replace("metrics: {level: none}", "metrics: {readers: [{pull: {exporter: {prometheus: {port: 0}}}}]}")
    file.write_text(
        text.replace("service:\n", "extensions: {health_check: {endpoint: 'localhost:0'}}\nservice:\n  extensions: [health_check]\n")
    )
    ports: list[int] = []
    serve = service.telemetry.serve
    service.telemetry.serve = lambda host, port: ports.append(serve(host, port)) or ports[0]  # type: ignore[method-assign,func-returns-value]
    service.start()
    made[0].waiting.put(delivery := FakeDelivery())
    until(lambda: delivery.answer)
    health = next(iter(service._extensions.values()))
    status, body = get(f"http://localhost:{health.port}/")
    assert (status, json.loads(body)["status"]) == (200, "Server available")
    assert get(f"http://localhost:{health.port}/other")[0] == 404
    service._available = False
    assert get(f"http://localhost:{health.port}/")[0] == 503
    _, metrics = get(f"http://127.0.0.1:{ports[0]}/metrics")
    assert 'otelcol_receiver_accepted_spans_total{receiver="otlp"} 7.0' in metrics
    assert 'otelcol_processor_incoming_items_total{otel_signal="traces",processor="count"} 1.0' in metrics
    for name in ("otelcol_process_uptime_seconds_total", "otelcol_process_memory_rss_bytes", "otelcol_process_cpu_seconds_total"):
        assert f"\n{name}" in metrics


def test_a_port_that_is_taken_is_named() -> None:
    first = HealthCheck(endpoint="localhost:0").build(Host())
    first.start()
    second = HealthCheck(endpoint=f"localhost:{first.port}").build(Host())
    with pytest.raises(ComponentError, match="health_check cannot listen on localhost:"):
        second.start()
    first.stop()
    first.stop()


def test_health_names_what_failed_lately() -> None:
    server = HealthCheck().build(Host(clock=ManualClock(at=10**18)))
    assert server.answer("/")[0] == 503
    server.report = lambda: Health(True, {"detect": "ValueError: boom"})
    status, body = server.answer("/?verbose")
    assert status == 200
    assert json.loads(body)["degraded"] == {"detect": "ValueError: boom"}


def test_the_secret_of_ids_is_made_once(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "a" / "b")
    directory.start()
    key = directory.hash_key()
    assert len(key) == 16
    assert directory.hash_key() == key
    assert (directory.path / "hash_key").stat().st_mode & 0o777 == 0o600
    (directory.path / "hash_key").write_bytes(b"short")
    with pytest.raises(ApisecError, match="5 bytes, not 16"):
        directory.hash_key()


def test_a_plug_in_is_found_by_its_entry_point_and_named_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "acme_rules-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-rules\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text("[apisec_otel.processors]\nacme = acme_rules:Acme\nacme_bad = acme_gone:Bad\n")
    (tmp_path / "acme_rules.py").write_text(
        "from dataclasses import dataclass\n\n@dataclass(frozen=True, kw_only=True)\nclass Acme:\n    level: int = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for cached in (builtin.load, builtin._installed):
        cached.cache_clear()
    try:
        assert builtin.known("processors")["acme"].package == "acme-rules"
        assert builtin.load("processors", "acme")().level == 3
        with pytest.raises(ComponentError, match=r"processors::acme_bad of acme-rules \(acme_gone:Bad\) cannot be imported"):
            builtin.load("processors", "acme_bad")
    finally:
        for cached in (builtin.load, builtin._installed):
            cached.cache_clear()


def test_telemetry_answers_without_being_served() -> None:
    telemetry = Telemetry()
    observe_process(telemetry)
    telemetry.add("otelcol_processor_incoming_items", 3, processor="a")
    telemetry.add("otelcol_processor_incoming_items", 4, processor="a")
    assert telemetry.value("otelcol_processor_incoming_items", processor="a") == 7
    assert telemetry.value("otelcol_process_memory_rss") > 1 << 20
    assert telemetry.value("nothing") == 0


def test_the_log_escapes_what_others_wrote(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr()
    logging.getLogger("apisec_otel.test").info("path %s", "/a\x1b[31m\tb")
    log_to_stderr("INFO", "json")
    logging.getLogger("apisec_otel.test").warning("x\ny")
    lines = capsys.readouterr().err.splitlines()
    logging.getLogger("apisec_otel").propagate = True
    assert "\x1b" not in lines[0]
    assert "info" not in lines[0]
    assert "INFO" in lines[0]
    assert json.loads(lines[1])["msg"] == "x\ny"


class Keeping(Counting):
    """Keeps its total."""

    meaning = ""

    def snapshot(self) -> Iterator[bytes]:
        yield b"%d" % self.total

    def restore(self, shards: Any) -> list[str]:
        self.total = int(b"".join(shards))
        return []


@pytest.fixture
def kept(configured: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A service whose processors keep their totals in a directory."""
    file, made, service = configured
    monkeypatch.setattr(Count, "build", lambda settings, host: Keeping(settings.step))
    storage = f"extensions: {{file_storage: {{directory: {tmp_path / 'state'}}}}}\nservice:\n  extensions: [file_storage]\n"
    file.write_text(TEXT.replace("service:\n", storage))
    return file, made, service


def take(made: list[FakeTransport], times: int) -> None:
    for _ in range(times):
        made[-1].waiting.put(delivery := FakeDelivery())
        until(lambda delivery=delivery: delivery.answer)


def totals(service: Service) -> dict[str, int]:
    return {id: each.total for id, each in processors(service).items()}


def test_a_stop_and_a_start_forget_nothing(kept: Any) -> None:
    _, made, service = kept
    service.start()
    take(made, 3)
    service.stop()
    service.start()
    assert totals(service) == {"count": 6, "count/other": 3}
    take(made, 1)
    assert totals(service) == {"count": 8, "count/other": 4}


def test_a_reload_hands_over_what_is_remembered(kept: Any) -> None:
    file, made, service = kept
    service.start()
    take(made, 3)
    file.write_text(file.read_text().replace("step: 2", "step: 5"))
    service.reload()
    assert totals(service) == {"count": 6, "count/other": 3}
    take(made, 1)
    assert totals(service)["count"] == 11
    service.stop()
    service.start()
    assert totals(service) == {"count": 11, "count/other": 4}


def test_a_bad_snapshot_is_set_aside_and_the_start_is_cold(kept: Any, tmp_path: Path, capsys: Any) -> None:
    _, made, service = kept
    service.start()
    take(made, 3)
    service.stop()
    snapshot = tmp_path / "state" / "state.snapshot"
    snapshot.write_bytes(snapshot.read_bytes()[:-1])
    service.start()
    assert totals(service) == {"count": 0, "count/other": 0}
    assert capsys.readouterr().err.count("starting without memory") == 1
    assert (tmp_path / "state" / "state.bad").exists()
    take(made, 1)


def test_health_says_that_state_is_not_kept(kept: Any) -> None:
    _, made, service = kept
    service.start()
    service._keeper.failure = "No space left on device"
    assert service.health() == Health(True, {"file_storage": "the last snapshot failed: No space left on device"})
    take(made, 1)


def test_a_directory_has_one_process(tmp_path: Path) -> None:
    first, second = Directory(tmp_path), Directory(tmp_path, FileStorage(timeout=timedelta(0)))
    first.start()
    with pytest.raises(ComponentError, match="in use by another process"):
        second.start()
    first.stop()
    second.start()
    second.stop()
    with pytest.raises(ComponentError, match="cannot be used: No such file"):
        Directory(tmp_path / "none", FileStorage(create_directory=False)).start()
