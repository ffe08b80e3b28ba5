"""The budget is a ceiling for what likelihood opens, and none for proof."""

import random

import pytest
from fakes import Row
from streams import judge, quiet, raised, tell

from apisec_otel.errors import ApisecError
from apisec_otel.findings.budget import Budget, parse_budget
from apisec_otel.processors.decide import DecideSettings

HOUR = 3600
DAY = 24 * HOUR


def opened(told):
    return [each for each in told if each.state == "open" and not each.suppressed]


def withheld(told):
    return [each for each in told if each.suppressed]


@pytest.mark.parametrize(("text", "means"), [("20/day", (20, DAY * 10**9)), (" 3 / hour ", (3, HOUR * 10**9)), ("0/day", (0, DAY * 10**9))])
def test_a_budget_is_how_many_in_how_long(text, means):
    assert parse_budget(text) == means


@pytest.mark.parametrize("text", ["20", "20/week", "-1/day", "1.5/day", "", "many/day"])
def test_anything_else_is_refused_with_what_to_write(text):
    with pytest.raises((ValueError, ApisecError), match="20/day or 3/hour"):
        DecideSettings(budget=text)


def many(count: int, every: float = 10, p: float = 1e-20, first: int = 1):
    return [raised(at * every, entity=first + at, p=p) for at in range(count)]


def test_past_the_budget_they_are_withheld_and_counted():
    decide = judge(budget="5/day")
    told = tell(decide, [*many(12), quiet(200)])
    assert (len(opened(told)), len(withheld(told)), decide.incidents.withheld) == (5, 7, 7)


def test_what_is_worse_than_the_kth_of_the_day_has_a_fifth_more():
    budget = Budget("10/day")
    assert [budget.admits(risk, 0) for risk in [100 + at for at in range(10)]] == [True] * 10
    assert not budget.admits(108, 1), "the second largest is 108"
    assert budget.admits(120, 1)
    assert budget.admits(130, 1)
    assert not budget.admits(299, 1), "two more are a fifth"


def test_the_period_trails():
    told = tell(
        judge(budget="2/hour"), [*many(4), *[raised(HOUR + 100 + at, entity=50 + at, p=1e-20) for at in range(4)], quiet(HOUR + 200)]
    )
    assert [each.entity for each in opened(told)] == [1, 2, 50, 51]


def test_proof_is_never_withheld_and_spends_nothing():
    proof = [raised(100 + at, "proof", entity=100 + at, severity=4) for at in range(30)]
    told = tell(judge(budget="3/day"), [*many(3), *proof, *[raised(150, entity=300, p=1e-20)], quiet(200)])
    assert len(opened(told)) == 33
    assert len(withheld(told)) == 1


def test_what_was_withheld_is_told_of_once_proof_comes():
    decide = judge(budget="0/day")
    told = tell(decide, [raised(0, p=1e-20), raised(10, "proof", severity=4), quiet(12)])
    assert [(each.state, each.suppressed) for each in told] == [("open", "budget"), ("open", None)]
    assert told[0].id == told[1].id


def test_what_was_withheld_closes_silently_and_counts_once():
    decide = judge(budget="0/day")
    told = tell(decide, [*[raised(at, p=1e-20) for at in range(0, 600, 10)], quiet(5000)])
    assert len(told) == decide.incidents.withheld == 1
    assert len(decide.incidents) == 0


@pytest.mark.parametrize("seed", range(3))
def test_on_noisy_detectors_incidents_stay_under_the_ceiling_and_proof_is_all_there(seed):
    """Eight detectors with q at 1e-2 over 3 days of 300 callers, and ten proofs among them."""
    dice = random.Random(seed)
    said = []
    for _ in range(12_000):
        at, kind = dice.uniform(0, 3 * DAY), dice.randrange(8)
        p = 10 ** -(2 + dice.expovariate(0.7))
        row = Row(route=f"/r{dice.randrange(5)}")
        more = {"owasp": f"API{kind % 4 + 1}:2023", "severity": dice.choice([1, 2, 3]), "row": row}
        said.append(raised(at, f"d{kind}", entity=dice.randrange(1, 300), p=p, **more))
    proofs = [raised(dice.uniform(0, 3 * DAY), "proof", entity=1000 + at, severity=4) for at in range(10)]
    said = sorted([*said, *proofs], key=lambda each: each.at)
    decide = judge(budget="20/day")
    told = tell(decide, *[said[at : at + 500] for at in range(0, len(said), 500)], over=True)
    chance = [each.time for each in opened(told) if "proof" not in each.detectors]
    most = max(sum(at <= other < at + DAY * 10**9 for other in chance) for at in chance)
    assert 20 <= most <= 24
    assert {each.entity for each in opened(told) if "proof" in each.detectors} == set(range(1000, 1010))
    assert len(withheld(told)) == decide.incidents.withheld > 50
