"""What ranks a session makes what is raised on it weigh more: the same however requests are cut, and in a process that takes over."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.otlp import call, request
from tests.unit.snapshots.chain import TALLY, Chain, told

from apisec_otel import builtin
from apisec_otel.findings.risk import LEAST_RANK

OFF = "processors::detect::detectors::session_conduct::mode="
PAGES, READERS = 40, 30


@pytest.fixture(autouse=True)
def _tally(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(builtin.BUILTIN["detectors"], "tally", TALLY)


def visits() -> list[tuple[float, bytes]]:
    """A robot that leaps from item to item every 2 s among readers that go back through the list; at times something is raised."""
    chance = random.Random(7)
    told = [(2.0 * page, f"/shop/{page * 37 % 211}", "robot") for page in range(PAGES)]
    for reader in range(READERS):
        at = chance.uniform(0, 20)
        for page in range(12):
            at += chance.lognormvariate(1.5, 1)
            told.append((at, "/shop" if page % 2 else f"/shop/{chance.randrange(200)}", f"reader{reader}"))
    told.sort()
    made = []
    for number, (at, path, user) in enumerate(told, 1):
        status = 418 if number % 9 == 0 or user == "robot" and at > 40 and number % 2 else 200
        made.append((at, request(call(number, path, route="/shop" if path == "/shop" else "/shop/{id}", user=user, at=at, status=status))))
    return made


def risks(chain: Chain, requests: list[tuple[float, bytes]], cuts: list[int]) -> list[object]:
    """Everything that is found, with its risk."""
    found: list[object] = []
    for start, end in zip(cuts, cuts[1:], strict=False):
        part = requests[start:end]
        found += told(chain.take(*(each for _, each in part), at=part[-1][0]).findings)
    return found


def heaviest(mode: str) -> dict[str, float]:
    """The largest risk that the tally told of each user, with the detector that ranks in a mode."""
    chain = Chain(OFF + mode)
    found = [each for at, made in visits() for each in chain.take(made, at=at).findings if each.detector == "tally"]
    users = {chain.assembly.native.hash(user): user for user in ("robot", *(f"reader{number}" for number in range(READERS)))}
    risk: dict[str, float] = {}
    for each in found:
        risk[users[each.entity]] = max(each.risk, risk.get(users[each.entity], 0))
    return risk


def test_a_session_that_goes_about_it_as_machines_do_weighs_up_to_twice_as_much() -> None:
    weighed, plain = heaviest("alert"), heaviest("off")
    assert plain["robot"] * (1 + LEAST_RANK) < weighed["robot"] <= plain["robot"] * 2
    people = plain.keys() - {"robot"}
    assert len(people) > 10
    assert all(weighed[user] < weighed["robot"] for user in people)
    assert sum(weighed[user] == plain[user] for user in people) > len(people) / 2


def test_what_a_detector_on_trial_says_of_sessions_weighs_nothing() -> None:
    assert heaviest("shadow") == heaviest("off")


@pytest.mark.parametrize("seed", range(4))
def test_neither_cuts_nor_a_restart_change_what_a_finding_weighs(seed: int) -> None:
    requests = visits()
    one_by_one = list(range(len(requests) + 1))
    expected = risks(Chain(), requests, one_by_one)
    chance = random.Random(seed)
    cuts = sorted({0, len(requests), *(chance.randrange(len(requests)) for _ in range(40))})
    assert risks(Chain(), requests, cuts) == expected
    until = chance.randrange(len(requests) // 2, len(requests))
    first, second = Chain(), Chain()
    found = risks(first, requests, one_by_one[: until + 1])
    assert second.give(first.saved()) == []
    found += risks(second, requests, one_by_one[until:])
    assert [_alike(each) for each in found] == [_alike(each) for each in expected]


def _alike(found: Any) -> object:
    """A restart loses what sessions taught in the second in hand: ranks differ by that much, and nothing else does."""
    return [pytest.approx(each, rel=1e-3) if isinstance(each, float) else each for each in found]
