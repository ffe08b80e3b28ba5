"""Incidents as log records, and as stories."""

from fakes import NAMES, VIEW, Row, keyed_hash
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from streams import START, batch, judge, quiet, raised, tell

from apisec_otel.clock import ManualClock
from apisec_otel.connectors.findings import Fan, Findings, FindingsSettings
from apisec_otel.findings.finding import Rule
from apisec_otel.findings.incident_wire import incidents_request
from apisec_otel.findings.story import clock
from apisec_otel.reply import ACCEPTED
from apisec_otel.telemetry import Telemetry

RULES = {"guess": Rule("guess", reference="docs/playbooks/guess.md")}


def told(*said, **settings):
    return tell(judge(**settings), [*said, quiet(600)])


def record_of(incident):
    request = ExportLogsServiceRequest.FromString(incidents_request([incident], RULES, "1.2", 5))
    (record,) = request.resource_logs[0].scope_logs[0].log_records
    return record


def value(of):
    kind = of.WhichOneof("value")
    return [each.string_value for each in of.array_value.values] if kind == "array_value" else getattr(of, kind)


def test_a_record_says_it_all():
    (opened,) = told(raised(0.5, p=1e-20), raised(0.6, "walk", owasp="API1:2023", severity=1))
    record = record_of(opened)
    assert (record.event_name, record.severity_number, record.severity_text) == ("apisec.incident", 17, "high")
    assert (record.time_unix_nano, record.observed_time_unix_nano) == (START + 10**9, 5)
    assert (record.trace_id, record.span_id, record.flags) == (opened.trace_id, opened.span_id, 1)
    stated = {each.key: value(each.value) for each in record.attributes}
    assert stated == {
        "apisec.incident.id": opened.id,
        "apisec.incident.state": "open",
        "apisec.severity": "high",
        "apisec.finding": "guess",
        "apisec.findings": ["guess", "walk"],
        "apisec.owasp": ["API2:2023", "API1:2023"],
        "apisec.risk.score": 105.0,
        "apisec.entity.type": "client",
        "apisec.entity.id": "0000000000000007",
        "apisec.endpoint": "shop GET /orders/{id}",
        "apisec.incident.findings": list(opened.findings),
        "apisec.incident.findings.count": 2,
        "apisec.incident.first_time": "2026-01-01T00:00:00.500000000Z",
        "apisec.incident.last_time": "2026-01-01T00:00:00.600000000Z",
        "security_rule.name": "guess",
        "security_rule.reference": "docs/playbooks/guess.md",
        "security_rule.ruleset.name": "apisec-otel",
        "service.name": "shop",
    }


def test_the_story_tells_in_order_what_when_and_how_often():
    begun = raised(0, sentence="7 of 7 logins failed", p=1e-20, row=Row(status=401, user=None))
    later = [raised(5 + at, "walk", sentence="12 steps", row=Row(user="mallory"), owasp="API1:2023") for at in range(3)]
    opened, updated = told(begun, *later)
    assert opened.story == (
        "First sign at 2026-01-01 00:00:00 UTC: 7 of 7 logins failed (guess, once).",
        "No request that raised it was answered with success.",
        "Nobody else is known to be part of it.",
    )
    assert updated.story == (
        "First sign at 2026-01-01 00:00:00 UTC: 7 of 7 logins failed (guess, once).",
        "Then at 2026-01-01 00:00:05 UTC: 12 steps (walk, 3 times until 00:00:07 UTC).",
        "3 of 4 were raised on requests that were answered with success (walk).",
        f"Also part of it: principal {keyed_hash(b'mallory'):016x}.",
    )
    assert record_of(updated).body.string_value == " ".join(updated.story)


def test_a_story_is_short_however_much_happened():
    said = [
        raised(at, f"detector_with_a_long_name_{at}", sentence="Ä" * 300, p=1e-20, row=Row(user=f"u{at}"), owasp=f"API{at % 9}:2023")
        for at in range(40)
    ]
    last = told(*said)[-1]
    assert len(record_of(last).body.string_value.encode()) <= 1_200
    assert any("36 more detectors" in sentence for sentence in last.story)
    assert " and 37 more." in last.story[-1]


def test_what_a_caller_writes_cannot_break_a_line():
    (opened,) = told(raised(0, sentence="path \x1b[2J\n‮x", p=1e-20))
    assert "\\x1b[2J\\x0a" in record_of(opened).body.string_value


def test_the_latest_and_the_earliest_time_are_no_fault():
    assert (clock(2**64 - 1)[:10], clock(-(2**62))[:10]) == ("2554-07-21", "1823-11-12")


class Backend:
    """Keeps what it got."""

    def __init__(self):
        self.got = []

    def export(self, signal, requests):
        self.got += [(signal, request) for request in requests]
        return ACCEPTED


def sent(decide, said, **settings):
    backend = Backend()
    out, now, counts = Fan({"logs": [backend]}), ManualClock(), Telemetry()
    findings = Findings(FindingsSettings(**settings), out, frozenset({"logs"}), VIEW, keyed_hash, now, counts, RULES, NAMES)
    made = batch(said)
    decide.process(made)
    findings.consume(made)
    findings.flush()
    records = [
        record
        for _, request in backend.got
        for resource in ExportLogsServiceRequest.FromString(request).resource_logs
        for record in resource.scope_logs[0].log_records
    ]
    return [record.event_name for record in records]


def test_the_connector_sends_each_change_and_nothing_that_is_withheld():
    said = [raised(0, p=1e-20), quiet(2)]
    assert sent(judge(), said) == ["apisec.finding", "apisec.incident"]
    assert sent(judge(budget="0/day"), said) == ["apisec.finding"]


def test_the_daily_summary_links_its_playbook():
    from apisec_otel.findings import background
    from apisec_otel.findings.wire import attributes

    counts = background.Background(keyed_hash)
    counts.count("scan_probing", 7, START)
    (summary,) = counts.take_all()
    stated = attributes(summary, {background.DETECTOR: background.RULE})
    assert stated["security_rule.reference"] == "docs/playbooks/background_scanning.md"
    assert "apisec.entity.id" not in stated
