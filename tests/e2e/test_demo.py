"""The demo: the shop with stock instrumentation, and the whole of `apisec-otel demo`."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from helpers import Process, answers, free_port, until
from parts import spans
from parts.running import ROOT
from parts.sinks import GrpcSink

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
DEMO = ROOT / "examples" / "demo"


@pytest.fixture
def shop(grpc_sink: GrpcSink, start: Callable[[Process], Process], tmp_path: Path) -> str:
    """The URL of a running shop that sends its spans to `grpc_sink`."""
    port = free_port()
    command = [
        Path(sys.executable).with_name("opentelemetry-instrument"),
        sys.executable,
        "-m",
        "uvicorn",
        "shop.app:app",
        "--port",
        str(port),
    ]
    environment = {
        "SHOP_DATABASE": str(tmp_path / "shop.db"),
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{grpc_sink.endpoint}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "http,database",
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST": "authorization",
    }
    url = f"http://127.0.0.1:{port}"
    start(Process("the shop", command, log=tmp_path / "shop.log", ready=lambda: answers(f"{url}/health"), env=environment, cwd=DEMO))
    return url


def call(url: str, token: str = "", body: bytes | None = None) -> tuple[int, str]:
    """Status and body of a call from 203.0.113.9."""
    headers = {"X-Forwarded-For": "203.0.113.9", "Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_shop_has_its_flaw_and_says_what_detectors_need(shop: str, grpc_sink: GrpcSink) -> None:
    assert call(f"{shop}/login", body=b'{"name": "customer01", "password": "wrong"}')[0] == 401
    status, reply = call(f"{shop}/login", body=b'{"name": "customer01", "password": "customer01-likes-tea"}')
    token = reply.split('"')[3]
    assert (status, call(f"{shop}/orders/1000", token)[0], call(f"{shop}/orders/1001", token)[0]) == (200, 200, 200)
    assert (call(f"{shop}/orders/1001")[0], call(f"{shop}/users/2", token)[0], call(f"{shop}/admin/users", token)[0]) == (401, 403, 403)
    assert call(f"{shop}/.env")[0] == 404

    def requests() -> list[dict[str, Any]]:
        found = spans.spans_of(spans.parse(grpc_sink.bodies()))
        stated = [spans.values(span) for span in found if span.kind == span.SPAN_KIND_SERVER]
        return [each for each in stated if each.get("client.address") == "203.0.113.9"]

    until(lambda: len(requests()) == 8, "a span for each request")
    order = next(each for each in requests() if each["url.path"] == "/orders/1001")
    assert order["http.route"] == "/orders/{order_id}"
    assert order["http.request.method"] == "GET"
    assert order["http.response.status_code"] == 200
    assert order["http.request.header.authorization"] == [f"Bearer {token}"]
    queries = [span for span in spans.spans_of(spans.parse(grpc_sink.bodies())) if span.kind == span.SPAN_KIND_CLIENT]
    assert any("FROM orders" in str(spans.values(each).get("db.query.text")) for each in queries)


def test_the_demo_finds_all_four_attacks(tmp_path: Path) -> None:
    if find_spec("apisec_otel") is None or find_spec("apisec_otel._native") is None:
        pytest.skip("apisec-otel is not built here: `make build` first")
    command = [sys.executable, "-m", "apisec_otel", "demo", "--headless", "--seconds", "15", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, cwd=ROOT, env=os.environ)
    logs = "".join(f"\n{each}:\n{each.read_text(errors='replace')[-2000:]}" for each in tmp_path.glob("*.log"))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    assert done.stdout.count("found ") >= 4
    assert "\x1b" not in done.stdout
    assert "about anybody else: nothing" in done.stdout
    assert "incident (high, " in done.stdout
    assert "First sign at" in done.stdout
    flagged = [span for span in spans.spans_of(spans.read_file(tmp_path / "traces.jsonl")) if "apisec.finding" in spans.values(span)]
    assert {spans.values(span)["client.address"] for span in flagged} == {"192.0.2.10", "192.0.2.20", "192.0.2.30", "192.0.2.40"}
