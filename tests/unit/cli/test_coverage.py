"""What coverage tells of a service, through the real pipeline: blind detectors, settings, sampling, silences."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.otlp import call, request, span, stored

from apisec_otel.cli import main
from apisec_otel.component import Host
from apisec_otel.extensions.health_check import HealthCheck
from apisec_otel.inventory.coverage import ServiceCoverage

FLASK = "opentelemetry.instrumentation.flask"
GO = "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
Told = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Told:
    """Coverage of these requests, as JSON values."""

    def told(*requests: bytes, form: str = "json") -> Any:
        with pytest.raises(SystemExit) as ended:
            main(["coverage", "--format", form, stored(tmp_path / "traces.pb", *requests)])
        assert ended.value.code == 0
        out = capsys.readouterr().out
        return [json.loads(line) for line in out.splitlines()] if form == "json" else out

    return told


def calls(count: int, **of: Any) -> list[Any]:
    return [call(number + 1, f"/orders/{number}", at=number, **of) for number in range(count)]


def test_a_detector_is_blind_where_what_it_needs_is_never_there(told: Told) -> None:
    service = told(request(*calls(30, user=None), scope=FLASK))[0]
    assert (service["service"], service["requests"], service["blind"]) == ("shop", 30, ["bola_enumeration"])
    gap = next(each for each in service["gaps"] if each["column"] == "principal")
    assert gap["missing"] == 1.0
    assert "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST=authorization" in gap["setting"]


def test_the_setting_is_that_of_the_instrumentation(told: Told) -> None:
    gaps = told(request(*calls(30, user=None, client=None), scope=GO))[0]["gaps"]
    settings = {gap["column"]: gap["setting"] for gap in gaps}
    assert "SetAttributes" in settings["principal"]
    assert "client.address" in settings["client"]


def test_half_a_column_blinds_nobody_but_is_told(told: Told) -> None:
    half = [call(number + 1, f"/orders/{number}", at=number, user="ann" if number % 2 else None) for number in range(40)]
    service = told(request(*half))[0]
    assert service["blind"] == []
    gap = next(each for each in service["gaps"] if each["column"] == "principal")
    assert (gap["missing"], "bola_enumeration" in gap["blind"]) == (0.5, True)


def test_too_few_requests_tell_nothing(told: Told) -> None:
    assert told(request(*calls(19, user=None)))[0]["blind"] == []
    assert "too few requests" in told(request(*calls(19, user=None)), form="text")


def test_services_of_two_environments_are_two(told: Told) -> None:
    staging = {"service.name": "shop", "deployment.environment.name": "staging"}
    found = told(request(*calls(25)), request(*(call(100 + n, at=n, user=None) for n in range(21)), resource=staging))
    assert [(each["environment"], each["requests"], each["blind"]) for each in found] == [
        ("", 25, []),
        ("staging", 21, ["bola_enumeration"]),
    ]


def test_the_share_that_is_sampled_is_told(told: Told) -> None:
    spans = calls(40)
    for each in spans:
        each.trace_state = "vendor=1,ot=th:c"
    assert told(request(*spans))[0]["sampled"] == 0.25
    page = told(request(*spans), form="text")
    assert "a count of 20 is reached after 80 requests" in page


def busy(silent: range) -> list[bytes]:
    """Twenty requests a second for three minutes, none of them in some seconds."""
    seconds = [second for second in range(180) if second not in silent]
    return [request(*(call(20 * second + n + 1, at=second + n / 20) for n in range(20))) for second in seconds]


def test_a_busy_service_that_loses_a_batch_is_blinded(told: Told) -> None:
    service = told(*busy(range(120, 125)))[0]
    assert (service["silences"], service["silent_seconds"]) == (1, 5)
    assert "not UTF-8" in told(*busy(range(120, 125)), form="text")
    assert told(*busy(range(0)))[0]["silences"] == 0


def test_a_busy_service_that_does_not_come_back_is_silent(told: Told) -> None:
    other = [request(call(9000, at=170), resource={"service.name": "other"})]
    shop = next(each for each in told(*busy(range(130, 180)), *other) if each["service"] == "shop")
    assert shop["silent_now"] > 30


def test_what_is_no_request_is_no_service(told: Told) -> None:
    assert told(request(span(1, {"db.system": "x"}, kind=3))) == []


def test_a_running_instance_tells_it_beside_its_health() -> None:
    server = HealthCheck().build(Host())
    assert server.answer("/coverage") == (200, b"[]")
    assert server.answer("/other")[0] == 404


def test_json_gives_back_what_it_was_made_of(told: Told) -> None:
    service = told(request(*calls(30, user=None)))[0]
    assert json.loads(json.dumps(ServiceCoverage.from_json(service).as_json())) == service


def test_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["coverage", "--endpoint", "localhost:1"])
    assert ended.value.code == 2
    assert "nobody answers on http://localhost:1/coverage" in capsys.readouterr().err
