"""Replay: what is printed, what is written, how it ends."""

import gzip
import json
from pathlib import Path

import pytest
from fakes import FakeEngine

from apisec_otel.cli import replaying
from apisec_otel.cli.judged import rfc3339
from apisec_otel.cli.replay import replay
from apisec_otel.cli.replaying import exit_code
from apisec_otel.receivers.otlp_json_file import OtlpFile

DATA = Path(__file__).parent / "data"
SQLMAP, SAMPLE = str(DATA / "vampi_attack_sqlmap.otlp.jsonl.gz"), str(DATA / "vampi_newhttp.jsonl.gz")


@pytest.fixture
def run(capfd):
    def run(*files, form="json", learn=(), out=None, fail_on=None):
        code = replay(FakeEngine(), files, form=form, learn=learn, out=out, fail_on=fail_on)
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run


def lines_of(out, kind=None):
    found = [json.loads(line) for line in out.splitlines()]
    return [line for line in found if kind in (None, line["type"])]


def requests_in(path):
    return gzip.decompress(Path(path).read_bytes()).splitlines()


def spans_in(path):
    for line in requests_in(path):
        for resource in json.loads(line)["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                yield from scope["spans"]


def test_one_line_for_each_request_with_ids_and_time_as_in_the_file(run):
    code, out, _ = run(SQLMAP)
    printed = [(each["trace_id"], each["span_id"], each["time"]) for each in lines_of(out, "request")]
    wanted = [(span["traceId"], span["spanId"], rfc3339(int(span["startTimeUnixNano"]))) for span in spans_in(SQLMAP) if span["kind"] == 2]
    assert printed == wanted
    assert code == 0


def test_lines_have_exactly_their_keys(run):
    _, out, _ = run(SQLMAP)
    keys = {line["type"]: list(line) for line in lines_of(out)}
    request = "type time trace_id span_id merged session endpoint score detectors learning"
    finding = "type id time detector severity trace_id span_id evidence_span_id session entity endpoint score reason suppressed"
    summary = "type spans requests sessions findings incidents suppressed shadow decode_errors late evicted seconds"
    assert keys == {
        "request": request.split(),
        "finding": finding.split(),
        "session": ["type", "session", "first_time", "last_time", "requests", "score"],
        "summary": summary.split(),
    }


def test_lines_agree_with_each_other(run):
    _, out, _ = run(SQLMAP, SAMPLE)
    requests, findings, sessions = (lines_of(out, kind) for kind in ("request", "finding", "session"))
    (summary,) = lines_of(out, "summary")
    assert out.splitlines()[-1].startswith('{"type":"summary"')
    assert summary["requests"] == len(requests) == sum(session["requests"] for session in sessions)
    assert summary["spans"] > summary["requests"]
    assert {each["session"] for each in requests} == {each["session"] for each in sessions}
    assert len(sessions) == len({each["session"] for each in sessions}) == summary["sessions"]
    scored = {each["span_id"]: each for each in requests}
    for finding in findings:
        assert scored[finding["span_id"]]["session"] == finding["session"]
        assert finding["score"] == scored[finding["span_id"]]["detectors"]["failing"]
    shown = [each for each in findings if each["suppressed"] is None]
    assert sum(summary["findings"].values()) == len(shown)
    assert summary["suppressed"]["dedup"] == len(findings) - len(shown)
    for session in sessions:
        best = max(each["score"] for each in requests if each["session"] == session["session"])
        raised = {(f["detector"], scored[f["span_id"]]["endpoint"]) for f in findings if f["session"] == session["session"]}
        assert session["score"] == pytest.approx(max(best, 1 - 0.75 ** len(raised)))


def test_the_same_input_gives_the_same_output_however_it_is_grouped(run, monkeypatch):
    _, first, _ = run(SQLMAP)
    monkeypatch.setattr(replaying, "BATCH_RECORDS", 1)
    _, second, _ = run(SQLMAP)
    assert first == second


def test_standard_output_holds_json_only_and_the_constant_key_is_said(run):
    _, out, err = run(SQLMAP)
    assert all(line.startswith("{") for line in out.splitlines())
    assert "constant key" in err
    assert "spans/s" in err


def test_a_broken_line_is_named_and_the_rest_is_read(run, tmp_path):
    lines = requests_in(SQLMAP)
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(b"\n".join([lines[0], b'{"resourceSpans": [', lines[1], b'{"resourceSpans": 5}', *lines[2:]]))
    code, out, err = run(str(broken), fail_on="high")
    assert code == 2
    assert f"{broken}: line 2:" in err
    assert f"{broken}: line 4:" in err
    assert lines_of(out, "summary")[0]["decode_errors"] == 2
    assert lines_of(out, "request") == lines_of(run(SQLMAP)[1], "request")


def test_a_broken_protobuf_record_is_named(run, tmp_path):
    engine = FakeEngine()
    good = [engine.transcode(each.payload) for each in OtlpFile(SQLMAP)]
    file = tmp_path / "spans.bin"
    file.write_bytes(b"".join(len(each).to_bytes(4, "big") + each for each in [good[0], b"\x0a\xff\xff", *good[1:]]))
    code, out, err = run(str(file))
    assert code == 2
    assert f"{file}: record 2:" in err
    assert lines_of(out, "request") == lines_of(run(SQLMAP)[1], "request")


def test_a_missing_file_is_unusable(run, tmp_path):
    code, _, err = run(str(tmp_path / "none"), SQLMAP)
    assert code == 2
    assert "No such file" in err


@pytest.mark.parametrize(("fail_on", "code"), [(None, 0), ("low", 1), ("high", 1), ("critical", 0)])
def test_findings_set_the_exit_code_when_asked(run, fail_on, code):
    assert run(SQLMAP, fail_on=fail_on)[0] == code


def test_what_cannot_be_read_wins():
    summary = replaying.Summary(decode_errors=1)
    summary.findings["high"] = 1
    assert exit_code(summary, "high") == 2


def test_learning_prints_nothing_and_hides_nothing(run):
    _, taught, _ = run(SAMPLE, learn=[SQLMAP])
    _, alone, _ = run(SAMPLE)
    assert taught == alone
    _, again, _ = run(SQLMAP, learn=[SQLMAP])
    assert again == run(SQLMAP)[1]


def test_out_writes_what_leaves(run, tmp_path):
    run(SQLMAP, out=tmp_path / "out")
    files = {path.name: path.read_text().splitlines() for path in (tmp_path / "out").iterdir()}
    assert [json.loads(line) for line in files["traces.jsonl"]] == [json.loads(line) for line in requests_in(SQLMAP)]
    (shown,) = {len(lines_of(run(SQLMAP)[1], "finding")) - lines_of(run(SQLMAP)[1], "summary")[0]["suppressed"]["dedup"]}
    records = [r for line in files["findings.jsonl"] for r in json.loads(line)["resourceLogs"][0]["scopeLogs"][0]["logRecords"]]
    assert len(records) == shown
    assert len(files["metrics.jsonl"]) >= 1
    assert len(files["finding_spans.jsonl"]) == len(files["findings.jsonl"])


def test_a_full_disk_under_out_is_told(run, tmp_path, monkeypatch):
    monkeypatch.setattr("os.pwrite", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    code, _, err = run(SQLMAP, out=tmp_path / "out")
    assert code == 2
    assert "No space left on device" in err


def test_the_report_says_what_a_person_asks(run):
    _, out, _ = run(SQLMAP, SAMPLE, form="text")
    for word in (
        "Findings",
        "Services",
        "Endpoints",
        "Sessions by score",
        "Not understood",
        "vampi GET /users/v1/<username>",
        "It failed",
        "HIGH",
    ):
        assert word in out
    assert "requests by nobody known" in out
    assert "p95" in out


def test_a_report_on_nothing(run, tmp_path):
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    code, out, _ = run(str(empty), form="text")
    assert code == 0
    assert "Nothing to judge" in out
    code, out, _ = run(str(empty))
    assert lines_of(out, "summary")[0]["seconds"] == 0


def test_times():
    assert rfc3339(0) == "1970-01-01T00:00:00.000000000Z"
    assert rfc3339(2**64 - 1).endswith("Z")
