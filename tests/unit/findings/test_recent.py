"""A map in the order of its last puts, against an ordered dict; and read while it changes."""

from __future__ import annotations

import random
from collections import OrderedDict

from apisec_otel.findings.recent import PAGE, Recent


def test_it_is_an_ordered_dict_whose_puts_move_to_the_end() -> None:
    draw, ours, theirs = random.Random(5), Recent[int, int](), OrderedDict[int, int]()
    for number in range(30_000):
        key = draw.randrange(3_000)
        ours.put(key, number)
        theirs[key] = number
        theirs.move_to_end(key)
        if draw.random() < 0.4:
            assert ours.pop() == theirs.popitem(last=False)
        assert len(ours) == len(theirs)
        assert ours.first() == next(iter(theirs.items()), None)
    assert [pair for page in ours.pages() for pair in page] == list(theirs.items())


def test_a_copy_sees_every_key_however_it_changes_meanwhile() -> None:
    recent = Recent[int, int]()
    for key in range(20 * PAGE):
        recent.put(key, 0)
    copied: dict[int, int] = {}
    for turn, page in enumerate(recent.pages()):
        copied |= dict(page)
        for key in range(turn * 7, 20 * PAGE, 97):
            if turn < 25:
                recent.put(key, turn + 1)
    assert copied.keys() == set(range(20 * PAGE))
    assert all((recent.get(key) or 0) >= value for key, value in copied.items())


def test_a_copy_ends_under_puts_without_end() -> None:
    recent = Recent[int, int]()
    for key in range(2 * PAGE):
        recent.put(key, 0)
    for turn, _ in enumerate(recent.pages()):
        assert turn < 100
        for key in range(2 * PAGE):
            recent.put(key, turn)
