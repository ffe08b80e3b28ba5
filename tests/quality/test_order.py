"""The figures of docs/quality.md, held to their bars on the traffic that they are measured on."""

from __future__ import annotations

from bench.quality import order


def test_walks_that_arrival_order_misses_are_found_in_order_of_time() -> None:
    count, ordered, arrived, accused = order.judged()
    assert count == order.WALKS
    assert ordered >= 0.95 * count
    assert arrived < count / 2, "else the traffic arrives in order, and shows nothing"
    assert accused == 0
