"""Who rotates address, agent or token keeps his risk; who shares an address with many does not get theirs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from fakes import Signal
from tests.otlp import call, request

from apisec_otel import semconv
from apisec_otel.assembly import native_rows
from apisec_otel.component import Host
from apisec_otel.processors.decide import Decide, DecideSettings
from apisec_otel.processors.requests import Requests
from apisec_otel.processors.sessions import Sessions
from apisec_otel.spans.columns import records

HOUR = 3600
RISKY = 0.9
Call = dict[str, Any]


class Judge:
    """Requests to risk: the first steps as the service builds them, and `decide` over signals of the test's own."""

    def __init__(self, **settings: Any) -> None:
        native = import_module("apisec_otel._native")
        self.words = native.Vocabulary(semconv.vocabulary_json(), bytes(range(16)))
        steps = {"Requests": Requests(), "Sessions": Sessions()}
        self.steps = [getattr(native, name)(json.dumps(each.for_native()), self.words) for name, each in steps.items()]
        self.decode = native.decode
        self.decide: Decide = DecideSettings(**settings).build(Host(vocabulary=self.words, view=native_rows()))
        self.calls = 0

    def run(self, calls: Sequence[Call], kind: str = "principal") -> list[float]:
        """The risk of each call's entity, all calls in one batch; those of `score` 0 raise nothing."""
        spans = []
        for each in calls:
            self.calls += 1
            spans.append(call(self.calls, **{key: value for key, value in each.items() if key != "score"}))
        batch = self.decode([request(*spans)], self.words)
        for step in self.steps:
            step.process(batch)
        rows = records(batch)
        scores = [each.get("score", RISKY) for each in calls]
        raised = [
            Signal(row=at, detector=f"d{score}", score=score, entity=int(rows[kind][at]), entity_kind=kind)
            for at, score in enumerate(scores)
            if score
        ]
        return [round(finding.risk, 3) for finding in self.decide.decide(batch, raised)]


def rotated(*users: str, **more: Any) -> list[Call]:
    """Each user once from one device: the first raises much, the others little."""
    return [{"user": user, "agent": "curl/8", "at": at, "score": 0.1 if at else RISKY, **more} for at, user in enumerate(users)]


def test_another_token_from_the_same_device_keeps_the_risk() -> None:
    first, second = Judge().run(rotated("token1", "token2"))
    assert first == 90
    assert second == pytest.approx(100 * (1 - (1 - 0.25 * RISKY) * 0.9), abs=0.01), "two links of 0.5"


@pytest.mark.parametrize("other", [{"agent": "wget"}, {"agent": "curl/8"}])
def test_people_who_take_turns_at_one_address_do_not_get_it(other: Call) -> None:
    ann, bob = rotated("ann", "bob")
    quiet: Call = {"score": 0}
    turns = [ann, bob | other | quiet, ann | quiet | {"at": 420}, bob | other | {"at": 480}]
    assert Judge().run(turns) == [90, 10]


@pytest.mark.parametrize("other", [{"client": "198.51.100.9"}, {"at": 400}])
def test_people_elsewhere_or_later_do_not_get_it(other: Call) -> None:
    ann, bob = rotated("ann", "bob")
    assert Judge().run([ann, bob | other]) == [90, 10]


def test_risk_is_not_raised_twice_by_the_same_fault() -> None:
    """Linked entities together have at most the risk that they would have as one."""
    risks = Judge().run([each | {"score": RISKY} for each in rotated("token1", "token2", "token3")])
    assert risks == [90, 90, 90]


def test_an_address_that_changes_stays_linked_over_its_token() -> None:
    calls = [{"user": "t", "client": f"203.0.113.{at}", "agent": "curl/8", "at": 20 * at, "score": 0.1 if at else RISKY} for at in range(3)]
    risks = Judge().run(calls, "client")
    assert risks[2] > 14, "address, token, address"


def test_what_many_share_links_nobody() -> None:
    many = [{"user": f"user{at}", "agent": "curl/8", "at": at, "score": 0} for at in range(25)]
    risks = Judge().run([*many, *rotated("token1", "token2", at=30)])
    assert risks == [90, 10]
    assert Judge(hub=40).run([*many, *rotated("token1", "token2", at=30)])[1] > 10


def test_links_fade() -> None:
    def after(hours: float) -> float:
        judge = Judge()
        quiet = [{"user": "token2", "agent": "curl/8", "at": 60 + at * HOUR, "score": 0} for at in (0, hours / 3, hours / 1.5)]
        return judge.run([rotated("token1")[0], *quiet, rotated("", "token2")[1] | {"at": 61 + hours * HOUR}])[-1]

    fresh, later, gone = after(0), after(6), after(26)
    assert fresh > later > gone == 10


def test_cuts_of_the_stream_change_nothing() -> None:
    scores = (0.1, 0.35, 0.6)
    calls: list[Call] = [
        {"user": f"t{at % 7}", "client": f"203.0.113.{at % 5}", "agent": "x", "at": 400 * at, "score": scores[at % 3]} for at in range(60)
    ]
    judge = Judge()
    one_by_one = [risk for each in calls for risk in judge.run([each])]
    assert Judge().run(calls) == one_by_one
    assert len(set(one_by_one)) > 5


def test_links_outlive_the_process() -> None:
    before, after = Judge(), Judge()
    calls = rotated("token1", "token2")
    before.run(calls[:1])
    assert list(after.decide.restore(before.decide.snapshot())) == []
    assert after.run(calls[1:]) == before.run(calls[1:])


def test_another_recording_begins_without_links() -> None:
    judge = Judge()
    judge.run(rotated("token1"))
    judge.decide.restart()
    assert judge.run([rotated("", "token2")[1]]) == [10]


def test_a_client_takes_its_risk_over_its_ipv6_network() -> None:
    def elsewhere(first: str, second: str) -> float:
        one: Call = {"user": None, "agent": "x"}
        return Judge().run([one | {"client": first}, one | {"client": second, "score": 0.1}], "client")[1]

    assert elsewhere("2001:db8::1", "2001:db8::2") == 91
    assert elsewhere("2001:db8::1", "2001:db8:0:1::1") == 10
    assert elsewhere("203.0.113.1", "203.0.113.2") == 10


@pytest.mark.parametrize("wrong", [{"hub": 0}, {"link_half_life": 0}])
def test_links_that_hold_nothing_are_refused(wrong: dict[str, Any]) -> None:
    settings = {key: timedelta(value) if key == "link_half_life" else value for key, value in wrong.items()}
    with pytest.raises(ValueError, match="hub must be at least 1"):
        DecideSettings(**settings)
