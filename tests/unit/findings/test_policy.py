"""What becomes of signals by configuration: which are meant, what happens to them, when it ends, what is counted."""

from __future__ import annotations

import logging
from datetime import date
from ipaddress import ip_address
from typing import Any

import pytest
from fakes import NAMES, VIEW, Row, Signal, batch_of, keyed_hash

from apisec_otel.findings.finding import Finding
from apisec_otel.findings.patterns import client_of, matches, parsed
from apisec_otel.findings.policy import end_of
from apisec_otel.findings.tuning import Allow, Override, Where
from apisec_otel.processors.decide import Decide, DecideSettings
from apisec_otel.spans.batch import SpanBatch
from apisec_otel.telemetry import Telemetry

MINUTE = 60 * 10**9
LAST = date(2027, 1, 31)
ANN = f"{keyed_hash(b'ann'):016x}"


def decider(telemetry: Telemetry | None = None, **settings: Any) -> Decide:
    return Decide(DecideSettings(**settings), VIEW, keyed_hash, NAMES, telemetry=telemetry)


def found(decide: Decide, signal: Signal | None = None, row: Row | None = None) -> list[Finding]:
    return decide.decide(batch_of([row or Row()]), [signal or Signal()])


@pytest.mark.parametrize(
    ("pattern", "text", "does"),
    [
        ("shop GET /orders/{id}", "shop GET /orders/{id}", True),
        ("shop GET /orders/{id}", "shop GET /orders/{id}/items", False),
        ("shop GET /orders/*", "shop GET /orders/{id}/items", True),
        ("* /admin/*", "shop DELETE /admin/users", True),
        ("* /admin/*", "shop GET /administrators", False),
        ("*", "", True),
        ("", "shop", False),
        ("a*a", "a", False),
        ("a*b*a", "aba", True),
        ("shop GET /x?y[z].", "shop GET /x?y[z].", True),
        ("shop GET /x?", "shop GET /xy", False),
        ("Shop*", "shop GET /", False),
        ("*" * 60 + "b", "a" * 255, False),
    ],
)
def test_a_star_is_anything_and_all_else_is_itself(pattern: str, text: str, does: bool) -> None:
    assert matches(pattern, text) is does


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7:443", "203.0.113.7"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("example.org", None),
        ("", None),
    ],
)
def test_addresses_are_read_as_requests_tell_them(said: str, address: str | None) -> None:
    assert parsed(said) == (ip_address(address) if address else None)


def test_a_client_is_who_the_walk_over_proxies_found_and_not_who_he_says_he_is() -> None:
    texts = {"client": "10.0.0.1", "peer": "192.0.2.1", "forwarded": "10.0.0.2, 203.0.113.7"}
    walked = keyed_hash(ip_address("203.0.113.7").packed)
    assert client_of(walked, texts.get, keyed_hash) == ip_address("203.0.113.7")
    assert client_of(walked + 1, texts.get, keyed_hash) is None


def test_severity_is_overridden_where_the_endpoint_fits_and_the_last_one_wins() -> None:
    admin = Override(endpoint=("* /admin/*",), severity="critical")
    decide = decider(overrides=(admin, Override(endpoint=("* /admin/health",), severity="info")))
    words = [found(decide, row=Row(route=route))[0].level.word for route in ("/orders", "/admin/users", "/admin/health")]
    assert words == ["high", "critical", "info"]


def test_a_later_override_decides_only_the_keys_that_it_says() -> None:
    decide = decider(overrides=(Override(severity="low"), Override(mode="shadow")))
    (finding,) = found(decide)
    assert (finding.level.word, finding.suppressed) == ("low", "shadow")


@pytest.mark.parametrize(
    "where",
    [
        {"detectors": ("scan_probing",)},
        {"service": ("bank",)},
        {"principal": ("00" * 8,)},
        {"endpoint": ("bank *",)},
        {"user_agent": ("*Detectify*",)},
        {"client": ("192.0.2.0/24",)},
        {"service": ("shop",), "endpoint": ("bank *",)},
    ],
)
def test_every_condition_must_hold(where: dict[str, Any]) -> None:
    (finding,) = found(decider(overrides=(Override(mode="off", **where),)))
    assert finding.suppressed is None


@pytest.mark.parametrize(
    "where",
    [
        {"detectors": ("scan_probing", "bola_enumeration")},
        {"service": ("bank", "shop")},
        {"principal": (ANN,)},
        {"user_agent": ("curl/*",)},
        {"service": ("shop",), "endpoint": ("shop *",), "principal": (ANN,)},
    ],
)
def test_what_is_off_is_not_told_and_counted(where: dict[str, Any]) -> None:
    telemetry = Telemetry()
    batch = SpanBatch(batch_of([Row()]))
    batch.raised.append(Signal())
    decide = decider(telemetry, overrides=(Override(mode="off", **where),))
    decide.process(batch)
    assert batch.findings == []
    assert batch.native.written == {}  # type: ignore[attr-defined]
    assert telemetry.value("apisec_signals_withheld", detector="bola_enumeration", reason="off") == 1


def test_a_stricter_q_withholds_what_is_above_it_and_leaves_alone_what_has_no_p() -> None:
    telemetry = Telemetry()
    decide = decider(telemetry, overrides=(Override(q=1e-6),))
    told = [bool(found(decide, Signal(p=p, stated=stated))) for p, stated in ((1e-5, True), (1e-6, True), (9e-7, True), (1e-4, False))]
    assert told == [False, False, True, True]
    assert telemetry.value("apisec_signals_withheld", detector="bola_enumeration", reason="q") == 2


def test_a_detector_on_trial_can_be_told_where_it_proved_itself() -> None:
    decide = decider(overrides=(Override(service=("shop",), mode="alert"),))
    assert found(decide, Signal(shadow=True))[0].suppressed is None
    assert found(decide, Signal(shadow=True), Row(service="bank"))[0].suppressed == "shadow"


def test_what_is_allowed_is_told_of_as_allowed_weighs_nothing_and_is_not_written() -> None:
    telemetry = Telemetry()
    decide = decider(telemetry, allow=(Allow(principal=(ANN,), reason="the export job"),))
    batch = batch_of([Row()])
    (finding,) = decide.decide(batch, [Signal()])
    assert (finding.suppressed, finding.risk) == ("allowlist", 0)
    assert batch.written == {}
    assert telemetry.value("apisec_allowed", entry="allow 1") == 1
    (other,) = found(decide, row=Row(user="bob"))
    assert (other.suppressed, other.risk) == (None, 50.0)


def test_who_is_allowed_is_not_counted_as_on_trial() -> None:
    (finding,) = found(decider(allow=(Allow(service=("shop",), reason="x"),)), Signal(shadow=True))
    assert (finding.suppressed, finding.trial) == ("allowlist", False)


def test_an_allowed_caller_is_so_through_its_last_day_of_stream_time(caplog: pytest.LogCaptureFixture) -> None:
    decide = decider(allow=(Allow(service=("shop",), reason="pentest", until=LAST),), dedup=DecideSettings().dedup * 0)
    over = end_of(LAST)
    with caplog.at_level(logging.WARNING):
        causes = [found(decide, row=Row(start=start))[0].suppressed for start in (over - 1, over, over + MINUTE)]
    assert causes == ["allowlist", None, None]
    assert [record.message for record in caplog.records] == [
        "decide: allow 1 held until 2027-01-31: what it allowed is told again (pentest)"
    ]
    (tally,) = decide.policy.tallies()
    assert (tally.matched, tally.is_over(over - 1), tally.is_over(over)) == (1, False, True)


def test_where_one_entry_has_expired_the_next_one_counts() -> None:
    decide = decider(allow=(Allow(service=("shop",), reason="a", until=date(2001, 1, 1)), Allow(endpoint=("shop *",), reason="b")))
    assert found(decide)[0].suppressed == "allowlist"
    assert [tally.matched for tally in decide.policy.tallies()] == [0, 1]


def test_a_trial_counts_what_would_have_been_shown_and_hides_nothing_that_is() -> None:
    telemetry = Telemetry()
    decide = decider(telemetry)
    trial = Signal(shadow=True)
    start = Row().start
    trials = [found(decide, trial, Row(start=start + minutes * MINUTE))[0].trial for minutes in (0, 1, 29, 31)]
    assert trials == [True, False, False, True]
    assert telemetry.value("apisec_shadow_findings", detector="bola_enumeration") == 2
    assert found(decide, Signal(), Row(start=start + 32 * MINUTE))[0].suppressed is None


def test_a_restart_of_the_process_does_not_count_a_trial_again() -> None:
    first, second = decider(), decider()
    found(first, Signal(shadow=True))
    assert second.restore(list(first.snapshot())) == []
    assert found(second, Signal(shadow=True), Row(start=Row().start + MINUTE))[0].trial is False


def test_a_snapshot_of_an_earlier_version_is_taken_up() -> None:
    shards = [shard for shard in decider().snapshot() if b"trials" not in shard]
    assert decider().restore(shards) == []


def test_cuts_of_the_stream_change_nothing() -> None:
    settings = {"overrides": (Override(endpoint=("* /admin/*",), mode="shadow"),), "allow": (Allow(principal=(ANN,), reason="x"),)}
    users, routes = ("bob", "ann", "ann"), ("/0", "/admin/1", "/2", "/admin/3")
    rows = [Row(start=Row().start + at * MINUTE, span=bytes([at + 1] * 8), user=users[at % 3], route=routes[at % 4]) for at in range(40)]
    whole = decider(**settings).decide(batch_of(rows), [Signal(row=at) for at in range(len(rows))])
    decide = decider(**settings)
    cut = [finding for row in rows for finding in found(decide, row=row)]
    assert [(f.id, f.suppressed, f.trial) for f in whole] == [(f.id, f.suppressed, f.trial) for f in cut]
    assert {f.suppressed for f in whole} == {None, "shadow", "allowlist", "dedup"}


def test_nothing_is_asked_of_a_request_where_nothing_is_configured() -> None:
    decide = decider()
    asked = []
    decide.policy.judge(Signal(), 1, lambda: asked.append(1), 0)  # type: ignore[func-returns-value, arg-type]
    assert asked == []


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Where(endpoint=("/orders",)), "write it as findings do, `shop GET /orders/{id}`"),
        (lambda: Where(principal=("ann",)), "16 digits of apisec.principal.hash"),
        (lambda: Where(client=("10.0.0.0/99",)), "no address and no network"),
        (lambda: Override(reason="x"), "set mode, severity or q"),
        (lambda: Override(q=2.0), "above 0 and below 1"),
        (lambda: Allow(reason="x"), "allows everybody"),
        (lambda: Allow(service=("shop",), reason=" "), "reason: says nothing"),
    ],
)
def test_what_means_nothing_is_refused(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("{", r"\{")):
        make()
