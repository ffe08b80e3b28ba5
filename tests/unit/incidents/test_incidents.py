"""When an incident opens, who is part of it, when it is told of, when it closes."""

import json
from datetime import timedelta

import pytest
from fakes import Row
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import MINUTE, START, Said, idle, judge, quiet, raised, states, tell

from apisec_otel.findings.evidence import points
from apisec_otel.findings.severity import Level
from apisec_otel.spans.batch import SpanBatch


def changes(*said: Said, links=None, **settings):
    return tell(judge(links, **settings), said)


@pytest.mark.parametrize(
    ("level", "p", "deterministic", "worth"),
    [
        (Level.HIGH, 1e-4, False, 20),
        (Level.LOW, 1e-4, False, 5),
        (Level.MEDIUM, 1e-8, False, 20),
        (Level.CRITICAL, 1e-4, False, 40),
        (Level.HIGH, 0.0, False, 100),
        (Level.HIGH, float("nan"), False, 20),
        (Level.INFO, 1e-30, False, 0),
        (Level.MEDIUM, 0.5, True, 60),
        (Level.HIGH, 0.5, True, 80),
        (Level.CRITICAL, 0.5, True, 100),
        (Level.LOW, 1e-4, True, 5),
    ],
)
def test_points_follow_severity_and_p_or_are_fixed_for_proof(level, p, deterministic, worth):
    assert points(level, p, deterministic=deterministic) == pytest.approx(worth)


def test_one_weak_finding_is_no_incident():
    assert changes(raised(0.5), quiet(2)) == []


def test_a_hundred_points_of_one_detector_open_one_at_the_end_of_the_second():
    (opened,) = changes(raised(0.2, p=1e-20), quiet(2))
    assert states([opened]) == [("open", 1)]
    assert (opened.level, opened.risk, opened.detectors, opened.entity) == (Level.HIGH, 100, ("guess",), 7)
    assert len(opened.findings) == opened.count == 1


def test_sixty_points_of_two_detectors_of_two_classes_open_one_and_of_one_class_do_not():
    def two(owasp):
        return changes(raised(0.2, p=1e-8), raised(0.4, "walk", p=1e-4, owasp=owasp), quiet(2))

    (opened,) = two("API1:2023")
    assert opened.owasp == ("API2:2023", "API1:2023")
    assert two("API2:2023") == []


def test_critical_proof_opens_one_and_high_proof_alone_does_not():
    (opened,) = changes(raised(0.2, "proof", severity=4), quiet(2))
    assert opened.level == Level.CRITICAL
    assert changes(raised(0.2, "proof", severity=3), quiet(2)) == []


def test_the_same_again_counts_half_each_time():
    """12 buckets of 20 points are under 40, and one more detector of 20 makes less than 60."""
    often = [raised(300 * at) for at in range(12)]
    assert changes(*often, raised(3301, "walk", owasp="API1:2023"), quiet(3400)) == []


def test_points_fade():
    def later(hours):
        return changes(raised(0, p=1e-8), raised(3600 * hours, "walk", p=1e-4, owasp="API1:2023"), quiet(3600 * hours + 2))

    assert len(later(0)) == 1
    assert later(1) == []


def test_what_a_detector_on_trial_raises_is_no_evidence():
    assert changes(raised(0.2, p=1e-30, shadow=True), quiet(2)) == []


def test_repeats_are_evidence_and_are_not_listed():
    """Each is the same finding for the same entity and endpoint; only the first is shown."""
    (opened,) = changes(raised(0), raised(1), raised(2), raised(3, p=1e-20), quiet(5))
    assert (opened.count, states([opened])) == (1, [("open", 4)])


def test_severity_is_that_of_the_worst_and_at_least_medium():
    low = [raised(at / 10, f"d{at}", severity=1, p=1e-30, owasp=f"API{at}:2023") for at in range(5)]
    (opened,) = changes(*low, quiet(2))
    assert opened.level == Level.MEDIUM


def test_linked_entities_have_one_incident_with_what_all_of_them_did():
    links = {(7, 8): 0.5}
    said = [raised(0, entity=7, p=1e-10, owasp="API8:2023"), raised(5, "walk", entity=8, p=1e-10, owasp="API1:2023"), quiet(7)]
    (opened,) = changes(*said, links=links)
    assert (opened.risk, set(opened.detectors)) == (pytest.approx(75), {"guess", "walk"})
    assert changes(*said, links={(7, 8): 0.1}) == []


def test_linked_entities_have_no_more_than_they_would_have_as_one():
    links = {(7, 8): 1.0}
    assert changes(raised(0, entity=7, p=1e-18), raised(1, entity=8, p=1e-18), quiet(3), links=links) == []


def test_a_linked_entity_joins_the_open_incident():
    decide = judge({(7, 8): 0.5})
    (opened,) = tell(decide, [raised(0, p=1e-20), quiet(2)])
    (updated,) = tell(decide, [raised(30, "walk", entity=8), quiet(32), quiet(100)])
    assert (updated.id, updated.state, updated.detectors) == (opened.id, "updated", ("guess", "walk"))
    assert "client 0000000000000008" in " ".join(updated.story)


def test_strangers_have_incidents_of_their_own():
    assert len({each.id for each in changes(raised(0, p=1e-20), raised(0.1, p=1e-20, entity=8), quiet(2))}) == 2


def test_updates_are_told_once_a_minute_unless_it_gets_worse():
    decide = judge()
    routes = [raised(10 + at, row=Row(route=f"/{at}"), p=1e-20) for at in range(40)]
    told = tell(decide, [raised(0, p=1e-20), *routes, quiet(200)])
    assert states(told) == [("open", 1), ("updated", 61)]
    assert told[-1].count == 41
    worse = tell(decide, [raised(210, severity=4, p=1e-20), quiet(212)])
    assert [(each.state, each.level) for each in worse] == [("updated", Level.CRITICAL)]


def test_repeats_alone_are_no_news():
    assert states(changes(raised(0, p=1e-20), *[raised(at, p=1e-20) for at in range(1, 200, 5)], quiet(400))) == [("open", 1)]


def test_it_closes_when_it_was_quiet_for_an_hour_with_or_without_requests():
    by_request, by_time = judge(), judge()
    said = [raised(0, p=1e-20), raised(1700, p=1e-20)]
    told = tell(by_request, [*said, quiet(5299), quiet(5302)])
    waited = tell(by_time, said) + idle(by_time, 5299).incidents + idle(by_time, 6000).incidents
    assert states(told) == states(waited) == [("open", 1), ("closed", 5301)]
    assert told[0].id == told[1].id == waited[0].id


def test_how_long_it_is_quiet_is_a_setting():
    assert states(changes(raised(0, p=1e-20), quiet(200), quiet=timedelta(minutes=2))) == [("open", 1), ("closed", 121)]


def test_what_was_told_and_closed_opens_no_other():
    told = changes(raised(0, p=1e-20), raised(4000, p=1e-4), quiet(4100))
    assert states(told) == [("open", 1), ("closed", 3601)]


def test_at_the_end_of_input_what_waits_is_judged_and_what_is_open_stays_open():
    told = tell(judge(), [raised(0, p=1e-20), raised(10, row=Row(route="/x"), p=1e-20)], over=True)
    assert states(told) == [("open", 1), ("updated", 11)]
    assert told[-1].count == 2


def test_only_so_many_are_open():
    told = changes(*[raised(at, entity=at + 1, p=1e-20) for at in range(5)], quiet(10), incidents=2, budget="100/day")
    assert [each.state for each in told].count("open") == 5
    assert [each.entity for each in told if each.state == "closed"] == [1, 2, 3]


def test_evidence_is_bounded():
    decide = judge(evidence=10)
    tell(decide, [raised(at, entity=at + 1) for at in range(100)])
    assert len(decide.incidents.ledger) <= 10
    assert decide.incidents.lost >= 80


def test_the_worst_finding_speaks_for_it():
    worst = Row(route="/admin", service="bank")
    (opened,) = changes(raised(0.2, p=1e-20), raised(0.4, "walk", severity=4, row=worst, owasp="API5:2023"), quiet(2))
    assert (opened.detectors[0], opened.endpoint, opened.service) == ("walk", "bank GET /admin", "bank")


def test_an_entity_nobody_knows_has_no_incident_unless_it_is_proof():
    nobody = Row(user=None, client=None, session=0)
    assert changes(raised(0, entity=0, p=1e-30, row=nobody), quiet(2)) == []
    assert len(changes(raised(0, "proof", entity=0, severity=4, row=nobody), quiet(2))) == 1


LINKS = {(1, 2): 0.5, (2, 3): 0.25}
SAID = st.builds(
    lambda at, detector, entity, p, severity: (
        raised(at, detector, entity=entity, p=p, severity=severity, owasp=f"API{len(detector)}:2023") if entity else quiet(at)
    ),
    at=st.sampled_from([*range(8), *range(290, 310), 400.5, 1000, 3000, 9000]),
    detector=st.sampled_from(["guess", "walking", "proof", "noise"]),
    entity=st.integers(0, 4),
    p=st.sampled_from([1e-4, 1e-8, 1e-20]),
    severity=st.integers(0, 4),
)
STREAMS = st.lists(SAID, max_size=25).map(lambda said: sorted(said, key=lambda each: each.at))


@settings(max_examples=60, deadline=None)
@given(said=STREAMS, cuts=st.sets(st.integers(0, 25), max_size=8), pauses=st.booleans())
def test_no_cut_of_the_stream_changes_what_is_told(said, cuts, pauses):
    whole = tell(judge(LINKS), said, over=True)
    edges = [0, *sorted(cut for cut in cuts if cut < len(said)), len(said)]
    parts = [said[a:b] for a, b in zip(edges, edges[1:], strict=False)]
    decide = judge(LINKS)
    told = []
    for part in parts:
        told += tell(decide, part)
        if pauses and part:
            told += idle(decide, part[-1].at).incidents
    told += tell(decide, over=True)
    assert told == whole


@settings(max_examples=60, deadline=None)
@given(said=STREAMS, where=st.lists(st.integers(0, 24), max_size=6))
def test_duplicates_change_nothing(said, where):
    """A request seen before raises nothing; it is a row that repeats."""
    doubled = list(said)
    for at in where:
        if at < len(said):
            seen = said[at]
            doubled.append(Said(seen.at, None, Row(repeat=1)))
    doubled.sort(key=lambda each: each.at)
    assert tell(judge(LINKS), doubled, over=True) == tell(judge(LINKS), said, over=True)


@settings(max_examples=60, deadline=None)
@given(said=STREAMS, cut=st.integers(0, 25))
def test_another_process_goes_on_where_one_stopped(said, cut):
    whole = tell(judge(LINKS), said, over=True)
    first, second = judge(LINKS), judge(LINKS)
    told = tell(first, said[:cut])
    assert second.restore([bytes(shard) for shard in first.snapshot()]) == []
    told += tell(second, said[cut:], over=True)
    assert told == whole


def test_a_snapshot_is_json_in_small_pieces():
    decide = judge()
    tell(decide, [raised(at / 10, f"d{at % 7}", entity=at, p=1e-20) for at in range(200)])
    shards = list(decide.snapshot())
    assert max(map(len, shards)) < 64_000
    assert all(json.loads(shard) for shard in shards)


def test_another_recording_begins_without_the_incidents_of_the_one_before():
    decide = judge()
    tell(decide, [raised(3600, p=1e-20), quiet(3700)])
    decide.restart()
    assert idle(decide, 8000).incidents == []
    assert len(decide.incidents) == 0


def test_ids_follow_from_the_entity_and_the_second():
    def once(at, entity=7):
        return changes(raised(at, p=1e-20, entity=entity), quiet(at + 2))[0].id

    assert once(0) == once(0.4) != once(5)
    assert once(0) != once(0, entity=8)
    assert len(once(0)) == 16


def test_a_batch_without_rows_is_no_matter():
    decide = judge()
    assert tell(decide, [], [raised(0, p=1e-20)], [], [quiet(2)])[0].state == "open"
    assert isinstance(idle(decide, 3), SpanBatch)
    assert START % MINUTE == 0
