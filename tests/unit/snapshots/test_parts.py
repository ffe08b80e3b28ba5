"""Every stateful part, copied at any row and given to a new process, goes on as if nothing had happened."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.otlp import call, request
from tests.unit.snapshots.chain import TALLY, Chain, told

from apisec_otel import builtin
from apisec_otel.component import Keeps
from apisec_otel.snapshots.parts import copied

USERS = ("ann", "bob", "cid", "dot")


@pytest.fixture(autouse=True)
def _tally(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(builtin.BUILTIN["detectors"], "tally", TALLY)


def traffic(count: int) -> list[bytes]:
    """Users reading a few orders, one of them walking all of them; a request each half second."""
    made = []
    for number in range(count):
        user = USERS[number % 4]
        path = f"/orders/{number if user == 'dot' else number % 9}"
        made.append(request(call(1 + number, path, user=user, at=number / 2)))
    return made


@pytest.mark.parametrize("cut", [0, 1, 90, 121, 203, 239])
def test_a_process_that_takes_over_judges_alike(cut: int) -> None:
    requests = traffic(240)
    whole = Chain()
    expected = [told(whole.take(each, at=at / 2).findings) for at, each in enumerate(requests)]
    assert any(expected[-60:])
    first, second = Chain(), Chain()
    found = [told(first.take(each, at=at / 2).findings) for at, each in enumerate(requests[:cut])]
    assert second.give(first.saved()) == []
    found += [told(second.take(each, at=at / 2).findings) for at, each in enumerate(requests[cut:], cut)]
    assert found == expected


def test_every_processor_with_a_memory_is_kept() -> None:
    processors = Chain().assembly.processors
    assert [str(each.id) for each, built in processors.items() if not isinstance(built, Keeps)] == ["memory_limiter"]
    order = ("decide", "detect", "payloads", "sessions", "endpoints", "requests")
    assert list(Chain().assembly.parts()) == [f"processors::{id}" for id in order]


def test_a_retry_after_a_restart_keeps_its_annotations_and_counts_once() -> None:
    requests = traffic(240)
    first, second = Chain(), Chain()
    written = [first.take(each, at=at / 2).encode() for at, each in enumerate(requests)]
    flagged = [at for at, each in enumerate(written) if b"apisec.finding" in b"".join(each)]
    assert flagged
    second.give(first.saved())
    for at in flagged:
        again = second.take(requests[at], at=121)
        assert again.encode() == written[at]
        assert not again.findings
    assert second.counted("dot", 9_000, 122) == 60


def test_a_snapshot_taken_over_many_batches_counts_nothing_twice_whenever_the_process_is_killed() -> None:
    requests = traffic(160)
    for begun, killed in ((40, 150), (79, 140), (100, 160)):
        first, second = Chain(), Chain()
        frames, shards = [], None
        for at, each in enumerate(requests[:killed]):
            first.take(each, at=at / 2)
            if at >= begun:
                shards = shards or copied(first.assembly.parts())
                frames += [shard for shard in [next(shards, None)] if shard]
        assert shards is not None
        assert next(shards, None) is None, "the copy has ended before"
        second.give(frames)
        insisted = begun - 20
        for at, each in enumerate(requests[insisted:], insisted):
            second.take(each, at=80 + at / 2)
        true = Counter(USERS[number % 4] for number in range(len(requests)))
        for number, user in enumerate(USERS):
            counted = second.counted(user, 10_000 + number, 161)
            assert true[user] - (killed - begun) <= counted <= true[user]


def test_what_was_copied_says_no_names_and_no_secrets() -> None:
    chain = Chain()
    for number in range(60):
        made = call(1 + number, f"/orders/{777_000 + number}", user="ann@example.org", agent="secret-agent", at=number / 2)
        chain.take(request(made), at=number / 2)
    kept = b"".join(payload for _, payload in chain.saved())
    assert b"shop GET /orders/{id}" in kept
    for text in (b"ann@example.org", b"secret-agent", b"777", b"203.0.113.7"):
        assert text not in kept


def test_a_detector_more_or_less_leaves_the_others_what_they_remember() -> None:
    requests = traffic(240)
    whole = Chain()
    expected = [told(whole.take(each, at=at / 2).findings) for at, each in enumerate(requests)]
    for before, after in ((["scan_probing", "tally"], []), ([], ["tally"])):
        off = [[f"processors::detect::detectors::{id}::mode=off" for id in ids] for ids in (before, after)]
        first, second = Chain(*off[0]), Chain(*off[1])
        for at, each in enumerate(requests[:120]):
            first.take(each, at=at / 2)
        assert second.give(first.saved()) == ([f"processors::detect ({id})" for id in before])
        found = [told(second.take(each, at=at / 2).findings) for at, each in enumerate(requests[120:], 120)]
        assert found == expected[120:]


def test_another_ladder_of_principals_makes_what_was_counted_by_principal_begin_anew() -> None:
    first = Chain()
    for at, each in enumerate(traffic(40)):
        first.take(each, at=at / 2)
    second = Chain("processors::sessions::principal=[enduser.id, user.id]")
    cold = second.give(first.saved())
    assert "processors::sessions" in cold
    assert "processors::detect (bola_enumeration)" in cold
    assert "processors::detect (auth_bruteforce)" not in cold
    assert second.counted("ann", 9_000, 21) == 0


def test_settings_that_change_no_meaning_change_no_memory() -> None:
    first = Chain()
    for at, each in enumerate(traffic(40)):
        first.take(each, at=at / 2)
    second = Chain("processors::sessions::max_bytes=8MiB", "processors::detect::max_bytes=64MiB", "processors::decide::dedup=1m")
    assert second.give(first.saved()) == []
    assert second.counted("ann", 9_000, 21) == 10


def test_templates_learned_from_paths_are_known_after_a_restart() -> None:
    def asked(number: int, path: str, at: float) -> bytes:
        return request(call(number, path, route=None, at=at))

    first, second = Chain(), Chain()
    for number in range(400):
        first.take(asked(1 + number, f"/shelves/{'abcdefghij'[number % 10]}w{number}x/books", number / 4), at=number / 4)
    first.take(asked(900, "/shelves/late/books", 120), at=120)
    assert second.give(first.saved()) == []
    for chain in (first, second):
        batch = chain.take(asked(901, "/shelves/another/books", 121), at=121)
        assert chain.endpoint(batch) == "shop GET /shelves/{id}/books"
