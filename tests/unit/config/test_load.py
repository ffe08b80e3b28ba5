"""What users type, and what they hear when it is wrong: the file, the line, the key, and what to write instead."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apisec_otel.config import Config, read
from apisec_otel.errors import ConfigError

GOOD = """
receivers:
  otlp:
processors:
  memory_limiter: {limit_mib: 512}
  requests:
  endpoints:
  sessions: {idle: 1h30m}
  detect:
  decide:
connectors:
  findings:
exporters:
  otlp_http: {endpoint: "http://backend:4318"}
service:
  pipelines:
    traces:
      {receivers: [otlp], processors: [memory_limiter, requests, endpoints, sessions, detect, decide], exporters: [otlp_http, findings]}
    logs/findings: {receivers: [findings], exporters: [otlp_http]}
"""


@pytest.fixture
def written(tmp_path: Path) -> Any:
    """Reads a configuration from text, as the file c.yaml."""

    def from_text(text: str, *settings: str, **environment: str) -> Config:
        file = tmp_path / "c.yaml"
        file.write_text(text)
        return read([file], settings, environment)

    return from_text


def told(written: Any, text: str, *settings: str, **environment: str) -> str:
    """What is said of a bad configuration, less the folder."""
    with pytest.raises(ConfigError) as caught:
        written(text, *settings, **environment)
    return "\n".join(line.rpartition("/c.yaml:")[2] if "/c.yaml:" in line else line for line in str(caught.value).splitlines())


def settings_of(config: Config, family: str, id: str) -> Any:
    return next(each.settings for key, each in config.components[family].items() if str(key) == id)  # type: ignore[index]


def test_a_good_configuration_has_its_settings_and_every_default(written: Any) -> None:
    config = written(GOOD)
    assert settings_of(config, "processors", "sessions").idle == timedelta(minutes=90)
    assert settings_of(config, "receivers", "otlp").protocols.grpc.endpoint == "localhost:4317"
    assert [str(each.id) for each in config.pipelines] == ["traces", "logs/findings"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{limit_mib: 512}", "{limit_mb: 512}", "5: processors::memory_limiter::limit_mb: unknown key; did you mean limit_mib?"),
        ("{limit_mib: 512}", "{limit_mib: lots}", "5: processors::memory_limiter::limit_mib: input should be a valid integer"),
        ("{limit_mib: 512}", "{}", "5: processors::memory_limiter: one of limit_mib and limit_percentage must be set"),
        ("{limit_mib: 512}", "{limit_mib: 256}", "may hold 224 MiB; half of the limit is 128 MiB. Raise limit_mib to 448"),
        ("idle: 1h30m", "idle: 30", "8: processors::sessions::idle: a duration is a number with a unit"),
        (
            "idle: 1h30m",
            "principal: [cookies:sid]",
            "8: processors::sessions: principal: 'cookies:sid' is no rung of this ladder",
        ),
        ("  sessions: {idle: 1h30m}", "  sesions: {}", "8: processors::sesions: unknown type 'sesions'; did you mean sessions?"),
        ("connectors:", "conectors:", "11: conectors: unknown section; did you mean connectors?"),
        ("detect, decide]", "detekt, decide]", '18: service::pipelines::traces: references processor "detekt" which is not configured'),
        ("[otlp_http, findings]", "[]", "18: service::pipelines::traces: must have at least one exporter"),
        ("    logs/findings", "    log/findings", "19: service::pipelines::log/findings: unknown signal 'log'; did you mean logs?"),
        ("  otlp:\n", "  0tlp:\n", "3: receivers: '0tlp' is no id"),
        ("[memory_limiter, requests", "[requests, memory_limiter", '"memory_limiter" must be the first processor'),
        ("endpoints, sessions, detect", "detect, endpoints, sessions", "put endpoints before detect"),
        ("sessions, detect, decide", "sessions, decide", '"decide" needs the column signals, which no processor here fills'),
        ("  decide:\n", "  decide:\n  decide:\n", "11: the key 'decide' is here twice; the first is in line 10"),
        (
            "http://backend:4318",
            "http://127.0.0.1:4318",
            "14: exporters::otlp_http::endpoint: sends to 127.0.0.1:4318, where receiver otlp",
        ),
        ("http://backend:4318", "backend:4318", "write http://backend:4318 or https://backend:4318"),
        ('4318"}', '4318", sending_queue: {}}', "14: exporters::otlp_http::sending_queue: there is no queue yet"),
        ('4318"}', '4318", retry_on_failure: {}}', "14: exporters::otlp_http::retry_on_failure: nothing is retried inside yet"),
        (
            "  otlp:\n",
            "  otlp: {protocols: {grpc: {endpoint: '0.0.0.0:4317'}}}\n",
            "which other machines reach, without TLS: set tls, or insecure",
        ),
        ("  otlp:\n", "  otlp: {protocols: {}}\n", "3: receivers::otlp::protocols: must specify at least one protocol"),
        ("receivers: [findings]", "receivers: [otlp, findings]", "mixes receivers with connector findings"),
        ("  requests:\n", "  requests: [a]\n", "6: processors::requests: expects keys and values"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_its_way_out(written: Any, old: str, new: str, said: str) -> None:
    assert old in GOOD
    assert said in told(written, GOOD.replace(old, new, 1))


def test_an_exporter_that_would_hear_of_nothing_is_refused(written: Any) -> None:
    """What is received of logs and metrics is passed on natively to the exporter that answers."""
    lost = GOOD.replace("exporters:\n", "exporters:\n  debug:\n", 1) + "    logs: {receivers: [otlp], exporters: [otlp_http, debug]}\n"
    assert 'service::pipelines::logs::exporters: "debug" would hear of nothing' in told(written, lost)


def test_all_mistakes_are_told_at_once(written: Any) -> None:
    said = told(written, GOOD.replace("limit_mib", "limit").replace("idle", "idel"))
    assert "::limit: unknown key" in said
    assert "::idel: unknown key; did you mean idle?" in said


def test_a_second_exporter_that_answers_is_refused(written: Any) -> None:
    text = GOOD.replace("exporters:\n", "exporters:\n  otlp_grpc: {endpoint: 'other:4317'}\n", 1).replace(
        "[otlp_http, f", "[otlp_http, otlp_grpc, f"
    )
    assert "has 2 exporters without a queue (otlp_http, otlp_grpc); at most one may be" in told(written, text)


def test_only_the_exporter_that_answers_senders_of_spans_keeps_a_table(written: Any) -> None:
    text = GOOD.replace("exporters:\n", "exporters:\n  otlp_grpc: {endpoint: 'other:4317'}\n", 1)
    config = written(text.replace("receivers: [findings], exporters: [otlp_http]", "receivers: [findings], exporters: [otlp_grpc]"))
    assert "otlp_grpc" in {str(each.id) for each in config.used()}
    assert [(str(each.id), size) for each, size in config.tables() if each.family == "exporters"] == [("otlp_http", 4 << 20)]


def test_a_receiver_answers_for_one_pipeline(written: Any) -> None:
    assert "is a second traces pipeline with a receiver" in told(
        written, GOOD + "    traces/2: {receivers: [otlp], exporters: [otlp_http]}\n"
    )


def test_a_queue_that_is_switched_off_is_no_queue(written: Any) -> None:
    written(GOOD.replace('4318"}', '4318", sending_queue: {enabled: false}, retry_on_failure: {enabled: false}}'))


def test_old_names_are_accepted_with_a_note(written: Any) -> None:
    config = written(GOOD.replace("otlp_http", "otlphttp/backend"))
    assert any("otlphttp is now called otlp_http" in note for note in config.notes)


def test_what_is_configured_but_not_named_stays_off_with_a_note(written: Any) -> None:
    config = written(GOOD.replace("exporters:\n", "exporters:\n  debug: {}\n", 1))
    assert "debug" not in {str(each.id) for each in config.used()}
    assert any("exporters: debug configured but not named" in note for note in config.notes)


def test_later_files_and_set_override_earlier_ones(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text("processors: {sessions: {longest: 3h, session: [client]}}\n")
    config = read([tmp_path / "a.yaml", tmp_path / "b.yaml"], ["processors::sessions::idle=2h"], {})
    sessions = settings_of(config, "processors", "sessions")
    assert (sessions.idle, sessions.longest, sessions.session) == (timedelta(hours=2), timedelta(hours=3), ("client",))


def test_set_says_that_it_was_set_that_said_it(written: Any) -> None:
    assert "--set processors::sessions::idle: processors::sessions::idle: a duration" in told(
        written, GOOD, "processors::sessions::idle=soon"
    )


def test_detectors_have_their_own_keys_and_the_engines(written: Any) -> None:
    settings = settings_of(
        written(GOOD.replace("detect:", "detect: {defaults: {q: 1e-6}, detectors: {bola_enumeration: {at_least: 30, mode: off}}}", 1)),
        "processors",
        "detect",
    )
    assert settings.defaults.q == 1e-6
    assert settings.detectors["bola_enumeration"].settings.at_least == 30
    assert "bola_enumeration" not in [id for id, *_ in settings.running()]
    assert "auth_bruteforce" in [id for id, *_ in settings.running()]
    said = told(written, GOOD.replace("detect:", "detect: {detectors: {bola_enumeration: {at_lest: 30}}}", 1))
    assert "processors::detect::detectors::bola_enumeration::at_lest: unknown key; did you mean at_least?" in said


def test_a_file_that_is_not_there_or_no_yaml_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone.yaml: cannot be read: No such file"):
        read([tmp_path / "gone.yaml"])
    (tmp_path / "c.yaml").write_text("a: [1\nb: 2\n")
    with pytest.raises(ConfigError, match=r"c.yaml:2: this is not YAML"):
        read([tmp_path / "c.yaml"])


def test_a_packaged_pipeline_is_a_source_and_a_misspelt_one_says_what_there_is() -> None:
    assert [str(each.id) for each in read(["packaged:tap"]).pipelines[0].sinks] == []
    with pytest.raises(ConfigError, match=r"packaged:tip: no packaged pipeline; did you mean tap\?"):
        read(["packaged:tip"])


def test_an_empty_file_takes_nothing_away(tmp_path: Path) -> None:
    whole, empty = tmp_path / "whole.yaml", tmp_path / "empty.yaml"
    whole.write_text(GOOD)
    empty.write_text("# nothing yet\n")
    assert read([str(whole), str(empty)]).pipelines == read([str(whole)]).pipelines


def test_a_detector_whose_processor_is_left_out_is_noted(written: Any) -> None:
    note = "request_anomaly is never raised, for payloads, which fills what it reads, is not in this pipeline: put payloads before detect"
    assert any(note in each for each in written(GOOD).notes)
    complete = GOOD.replace("  detect:\n", "  payloads:\n  detect:\n").replace("sessions, detect", "sessions, payloads, detect")
    assert not any("never raised" in each for each in written(complete).notes)
