"""Signals become findings: annotations, repeats, risk."""

from datetime import timedelta

import pytest
from fakes import NAMES, VIEW, Row, Signal, batch_of, keyed_hash

from apisec_otel.findings.risk import EntityRisk
from apisec_otel.processors.decide import Decide, DecideSettings
from apisec_otel.spans.batch import SpanBatch

MINUTE = 60 * 10**9
START = 10**18


def decider(**settings) -> Decide:
    return Decide(DecideSettings(**settings), VIEW, keyed_hash, NAMES)


def run(decide, signals, rows):
    batch = batch_of(rows)
    return decide.decide(batch, signals), batch


def test_a_row_with_a_signal_is_annotated():
    signals = [Signal(), Signal(detector="scan_probing", severity=4, score=0.9, sentence="404s\x1b")]
    findings, batch = run(decider(), signals, [Row(), Row()])
    assert batch.written == {
        0: {
            "apisec.severity": "critical",
            "apisec.finding": "scan_probing",
            "apisec.findings": ["scan_probing", "bola_enumeration"],
            "apisec.risk.score": 95.0,
            "apisec.session.id": "0000000000000007",
            "apisec.principal.hash": f"{findings[0].principal:016x}",
            "apisec.endpoint": "shop GET /orders/{id}",
            "apisec.reason": "404s\\x1b",
            "apisec.sampling.keep": True,
        }
    }


def test_a_batch_without_signals_is_left_alone():
    findings, batch = run(decider(), [], [Row()])
    assert findings == []
    assert batch.written == {}


def test_a_finding_is_shown_once_in_half_an_hour_of_event_time():
    decide = decider()
    causes = []
    for minutes in (0, 1, 29, 30, 31, 61):
        (finding,), batch = run(decide, [Signal()], [Row(start=START + minutes * MINUTE)])
        causes.append(finding.suppressed)
        assert batch.written[0]["apisec.finding"] == "bola_enumeration"  # a repeat is written on the span as well
    assert causes == [None, "dedup", "dedup", None, "dedup", None]


@pytest.mark.parametrize("other", [Signal(entity=5), Signal(detector="scan_probing"), Signal(severity=4)])
def test_another_entity_or_detector_or_a_worse_severity_is_no_repeat(other):
    decide = decider()
    run(decide, [Signal()], [Row()])
    (finding,), _ = run(decide, [other], [Row()])
    assert finding.suppressed is None


def test_another_endpoint_is_no_repeat_and_a_milder_severity_is():
    decide = decider()
    run(decide, [Signal()], [Row()])
    (there,), _ = run(decide, [Signal()], [Row(route="/me")])
    (milder,), _ = run(decide, [Signal(severity=1)], [Row()])
    assert (there.suppressed, milder.suppressed) == (None, "dedup")


def test_risk_is_one_minus_the_product_over_best_scores():
    decide = decider()
    risks = []
    for detector, route, score in [("a", "/x", 0.5), ("a", "/x", 0.2), ("a", "/y", 0.5), ("b", "/y", 0.2), ("a", "/x", 0.6)]:
        (finding,), _ = run(decide, [Signal(detector=detector, score=score)], [Row(route=route)])
        risks.append(round(finding.risk, 6))
    assert risks == [50.0, 50.0, 75.0, 80.0, 84.0]


def test_an_unknown_entity_accumulates_nothing():
    decide = decider()
    for at in range(3):
        (finding,), _ = run(decide, [Signal(entity=0, score=0.5)], [Row(route=str(at))])
        assert finding.risk == 50.0


def test_ids_follow_from_the_signal_and_its_span():
    (first,), _ = run(decider(), [Signal()], [Row()])
    (again,), _ = run(decider(), [Signal(score=0.1)], [Row(user="bob")])
    (other,), _ = run(decider(), [Signal()], [Row(span=b"x" * 8)])
    assert first.id == again.id != other.id
    assert len(first.id) == 16


def test_state_is_bounded():
    decide = decider(repeats=10, entities=10)
    for entity in range(1, 100):
        run(decide, [Signal(entity=entity)], [Row()])
    assert len(decide._repeats) <= 10
    assert len(decide._risk) <= 10
    assert decide.evicted == 89


def test_one_entity_cannot_grow_without_end():
    risk = EntityRisk(limit=10_000, forget=10**12)
    for endpoint in range(5_000):
        risk.add(1, ("a", endpoint), 0.001, 0)
    assert len(risk) == 256


def test_risk_is_forgotten_after_a_day_of_silence():
    decide = decider(forget=timedelta(hours=24))
    run(decide, [Signal(score=0.5)], [Row()])
    (finding,), _ = run(decide, [Signal(score=0.5)], [Row(start=START + 1441 * MINUTE, route="/me")])
    assert finding.risk == 50.0


def test_another_recording_begins_anew_and_a_late_row_does_not():
    decide = decider()
    run(decide, [Signal()], [Row()])
    (late,), _ = run(decide, [Signal()], [Row(start=START - 60 * MINUTE, late=1)])
    (earlier,), _ = run(decide, [Signal()], [Row(start=START - 60 * MINUTE)])
    assert (late.suppressed, earlier.suppressed) == ("dedup", None)


def test_cuts_of_the_stream_change_nothing():
    rows = [Row(start=START + at * MINUTE, span=bytes([at] * 8)) for at in range(1, 60, 7)]
    whole, _ = run(decider(), [Signal(row=at) for at in range(len(rows))], rows)
    decide = decider()
    cut = [finding for row in rows for finding in run(decide, [Signal()], [row])[0]]
    assert [(f.id, f.suppressed, f.risk) for f in whole] == [(f.id, f.suppressed, f.risk) for f in cut]


def test_the_step_leaves_findings_on_the_batch():
    batch = SpanBatch(batch_of([Row()]))
    batch.raised.append(Signal())
    decider().process(batch)
    assert [finding.detector for finding in batch.findings] == ["bola_enumeration"]


def test_nonsense_in_a_row_is_no_fault():
    row = Row(status=float("inf"), took=-1, client=None, route=None, user=None, session=0)
    (finding,), _ = run(decider(), [Signal()], [row])
    assert (finding.request.status, finding.endpoint_name, finding.request.client_address) == (0, "(unmatched)", "")
