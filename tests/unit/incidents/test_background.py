"""The Internet's usual noise is no incident, and is told of once a day."""

import json
from dataclasses import replace

import pytest
from fakes import Row
from streams import Said, idle, judge, quiet, raised, tell

DAY = 86400
NOBODY = Row(user=None, status=404)


def noise(at: float, *, entity: int = 7, row: Row | None = None, **more) -> Said:
    """What would be an incident by its points."""
    row = row or replace(NOBODY, client=f"203.0.113.{entity}")
    return raised(at, "noise", entity=entity, row=row, p=1e-30, **more)


def summaries(decide, *parts, until: float) -> list:
    """The findings on no request by then."""
    tell(decide, *parts)
    return [finding for finding in idle(decide, until).findings if finding.detector == "background_scanning"]


def test_who_is_nobody_and_is_refused_opens_nothing():
    assert tell(judge(), [noise(at, entity=at % 3 + 1) for at in range(200)], over=True) == []


@pytest.mark.parametrize("row", [Row(user=None, status=200), Row(user=None, status=500), Row(user="ann", status=404)])
def test_who_is_known_or_not_refused_counts(row):
    (opened,) = tell(judge(), [noise(0, row=row), quiet(2)])
    assert opened.detectors == ("noise",)


def test_who_shows_a_credential_counts():
    decide = judge()
    told = []
    for at in (0, 2):
        from streams import batch

        made = batch([noise(at)])
        records = decide._view(made.native)
        changed = records.copy()
        changed["credential"] = 5
        native = type(made.native)(changed.tobytes())
        native.__dict__.update(made.native.__dict__)
        made.native = native
        decide.process(made)
        told += made.incidents
    assert [each.state for each in told] == ["open"]


def test_other_detectors_count_also_on_refused_requests():
    (opened,) = tell(judge(), [raised(0, row=NOBODY, p=1e-20), quiet(2)])
    assert opened.state == "open"


def test_proof_counts_also_where_the_request_itself_was_refused():
    (opened,) = tell(judge(), [raised(0, "proof", severity=4, row=NOBODY), quiet(2)])
    assert opened.level.word == "critical"


def test_what_was_noise_weighs_nothing_and_is_told_of_where_something_else_opens_an_incident():
    decide = judge()
    told = tell(decide, [noise(at) for at in range(5)], [raised(10, "noise", row=Row(user=None), p=1e-8, owasp="API8:2023"), quiet(12)])
    assert told == [], "40 points of one answered request are no incident, whatever was refused before"
    (opened,) = tell(decide, [raised(20, "walk", p=1e-20), quiet(22)])
    assert "First sign at 2026-01-01 00:00:00" in opened.story[0]
    assert "noise" in opened.detectors


def test_a_day_is_told_once_it_is_over_and_once_only():
    decide = judge()
    parts = [[noise(at, entity=at % 3 + 1) for at in range(30)]]
    assert summaries(decide, *parts, until=DAY - 1) == []
    (summary,) = summaries(decide, until=DAY)
    assert (summary.level.word, summary.evidence["signals"][0], summary.evidence["callers"][0]) == ("info", 30, 3)
    assert "noise 30" in summary.reason
    assert not any(summary.trace_id)
    assert summaries(decide, until=2 * DAY) == []


def test_each_day_has_its_own_and_a_day_without_noise_has_none():
    decide = judge()
    first = summaries(decide, [noise(0)], until=DAY + 1)
    third = summaries(decide, [noise(2 * DAY + 5), noise(2 * DAY + 6)], until=3 * DAY)
    assert [each.evidence["signals"][0] for each in (*first, *third)] == [1, 2]
    assert first[0].id != third[0].id


def test_it_is_told_with_the_end_of_input_and_the_rest_of_that_day_with_the_next():
    from streams import batch

    decide = judge()
    tell(decide, [noise(0)])
    end = batch([])
    end.over = True
    decide.process(end)
    assert [each.detector for each in end.findings] == ["background_scanning"]
    assert summaries(decide, [noise(60)], until=DAY + 1) == []
    assert len(summaries(decide, until=2 * DAY)) == 1


def test_it_outlives_a_restart():
    first, second = judge(), judge()
    tell(first, [noise(at, entity=at + 1) for at in range(4)])
    second.restore(list(first.snapshot()))
    (summary,) = summaries(second, [noise(10, entity=1)], until=DAY)
    assert (summary.evidence["signals"][0], summary.evidence["callers"][0]) == (5, 4)
    assert json.dumps(summary.reason)
