"""A session is told request by request, and in the forms of others without its secrets."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from apisec_otel.cli import cli
from apisec_otel.cli.session_page import seconds

DATA = Path(__file__).parents[2] / "data"
VAMPI = DATA / "vampi_newhttp_headers.otlp.jsonl.gz"
START = 1_760_000_000 * 10**9


def run(*words: str | Path, code: int = 0) -> Any:
    result = CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False, standalone_mode=False)
    assert result.return_value == code, result.output
    return result


def say(span: Span, **said: str | int) -> None:
    for key, value in said.items():
        each = span.attributes.add(key=key.replace("__", "."))
        if isinstance(value, int):
            each.value.int_value = value
        else:
            each.value.string_value = value


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    """Somebody reads 30 orders of others; each is a SELECT behind the request, the fifth of which fails."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "shop"
    spans = resource.scope_spans.add().spans
    for number in range(30):
        at, trace = START + number * 10**9, (number + 1).to_bytes(16, "big")
        server = spans.add(name="GET", kind=Span.SPAN_KIND_SERVER, trace_id=trace, span_id=b"request!")
        server.start_time_unix_nano, server.end_time_unix_nano = at, at + 12_000_000
        say(server, http__request__method="GET", url__path=f"/orders/{number}", http__route="/orders/{id}", url__scheme="https")
        say(server, server__address="shop.example.org", url__query="page=1&token=hunter2&x=`id`$HOME", http__response__status_code=200)
        say(server, client__address="203.0.113.9", user_agent__original="curl/8", user__id="mallory")
        server.attributes.add(key="http.request.header.authorization").value.array_value.values.add(string_value="Bearer s3cr3t-s3cr3t")
        query = spans.add(name="SELECT", kind=Span.SPAN_KIND_CLIENT, trace_id=trace, span_id=b"database", parent_span_id=b"request!")
        query.start_time_unix_nano, query.end_time_unix_nano = at + 1, at + 2
        say(
            query,
            db__system__name="postgresql",
            db__query__text="SELECT * FROM orders WHERE secret = 'leak'",
            db__collection__name="orders",
        )
        if number == 24:
            query.status.code = Status.STATUS_CODE_ERROR
    file = tmp_path / "walk.bin"
    body = request.SerializeToString()
    file.write_bytes(len(body).to_bytes(4, "big") + body)
    return file


@pytest.fixture
def session(walk: Path) -> str:
    lines = map(json.loads, run("replay", "--format", "json", walk).stdout.splitlines())
    (key,) = {line["session"] for line in lines if line["type"] == "session"}
    return str(key)


def test_a_page_says_what_was_asked_what_was_found_and_what_ran_behind(walk: Path, session: str) -> None:
    page = run("session", session[:8], walk).stdout
    assert f"session {session}" in page and "raised:" in page and "bola_enumeration" in page
    assert "behind it: postgresql SELECT orders" in page and "1 failed" in page
    assert "shop GET /orders/{id}" in page and "12 ms" in page
    assert "leak" not in page and "s3cr3t" not in page


def test_json_lines_are_the_requests_in_order(walk: Path, session: str) -> None:
    rows = [json.loads(line) for line in run("session", session, walk, "--format", "json").stdout.splitlines()]
    assert len(rows) == 30 and [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    assert {row["session"] for row in rows} == {session} and rows[0]["behind"] == {"postgresql SELECT orders": 1}
    (found,) = [
        finding for row in rows for finding in row["findings"] if finding["detector"] == "bola_enumeration" and not finding["suppressed"]
    ]
    assert found["evidence"]["objects"][0] > 20


def test_curl_holds_no_secret_and_nothing_a_caller_wrote_is_run(walk: Path, session: str) -> None:
    commands = run("session", session, walk, "--curl").stdout.splitlines()
    assert len(commands) == 30 and "s3cr3t" not in commands[0] and "hunter2" not in commands[0]
    assert '"$TOKEN"' in commands[0] and '"$AUTHORIZATION"' in commands[0]
    for part in commands[0].split('"$')[:1] + commands[0].split('"$')[1:]:
        assert "`" not in part or "'" in part
    words = shlex.split(commands[0], comments=True)
    assert words[-1] == "https://shop.example.org/orders/0?page=1&token=$TOKEN&x=`id`$HOME"
    assert "'&x=`id`$HOME'" in commands[0]


def test_har_is_one_that_others_read(walk: Path, session: str, tmp_path: Path) -> None:
    run("session", session, walk, "--har", tmp_path / "out.har")
    log = json.loads((tmp_path / "out.har").read_text())["log"]
    assert log["version"] == "1.2" and len(log["entries"]) == 30
    first = log["entries"][0]
    assert first["request"]["method"] == "GET" and first["response"]["status"] == 200 and first["time"] == 12
    assert {"name": "token", "value": "$TOKEN"} in first["request"]["queryString"]
    assert {"name": "authorization", "value": "$AUTHORIZATION"} in first["request"]["headers"]
    assert "s3cr3t" not in json.dumps(log)


def test_an_incident_is_its_story_and_its_requests(walk: Path) -> None:
    lines = [json.loads(line) for line in run("replay", "--format", "json", walk).stdout.splitlines()]
    ids = {line["id"] for line in lines if line["type"] == "incident"}
    result = run("incident", "ffffffffffffffff", walk, code=1)
    assert "no incident ffffffffffffffff" in result.stderr
    for id in ids:
        page = run("incident", id[:6], walk).stdout
        assert f"incident {id}" in page and "bola_enumeration" in page


def test_a_principal_s_requests(walk: Path) -> None:
    rows = [json.loads(line) for line in run("session", "--principal", principal(walk), walk, "--format", "json").stdout.splitlines()]
    assert len(rows) == 30


def principal(walk: Path) -> str:
    from apisec_otel.cli.replay_engine import engine_of
    from apisec_otel.config import read

    return f"{engine_of(read(['packaged:replay'])).keyed_hash(b'mallory'):016x}"


def test_recorded_traffic(tmp_path: Path) -> None:
    lines = map(json.loads, run("replay", "--format", "json", VAMPI).stdout.splitlines())
    key = max((line for line in lines if line["type"] == "session"), key=lambda line: line["requests"])["session"]
    assert run("session", key, VAMPI, "--har", tmp_path / "x.har").stdout.startswith(f"session {key}")


def test_who_is_not_there_is_said_and_who_is(walk: Path, session: str) -> None:
    result = run("session", "0123456789abcdef", walk, code=1)
    assert "no session 0123456789abcdef" in result.stderr and session in result.stderr


@pytest.mark.parametrize(
    ("words", "said"), [(("xyz", "FILE"), "is no id"), (("5f0c", "-"), "read twice"), (("5f0c", "none.json"), "there is no file")]
)
def test_mistakes_are_named(walk: Path, words: tuple[str, str], said: str) -> None:
    result = CliRunner().invoke(cli, ["session", words[0], str(walk) if words[1] == "FILE" else words[1]])
    assert result.exit_code == 2 and said in result.output


def test_durations_are_short() -> None:
    assert [seconds(value) for value in (None, 0.00002, 0.0123, 1.5, 75, 3700)] == ["-", "20 us", "12 ms", "1.5 s", "1m15s", "1h01m"]
