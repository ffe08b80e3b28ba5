"""Nodes are held once and known by what they compute."""

from __future__ import annotations

from apisec_otel.api import Request
from apisec_otel.plan.node import Graph


def test_equal_nodes_are_one() -> None:
    """The same expression written twice is one node."""
    row = Request(Graph())
    assert (row.status + 1 > 2).position == (row.status + 1 > 2).position


def test_identity_does_not_depend_on_the_order_of_building() -> None:
    """Another plan that computes the same gives it the same identity."""
    one, two = Request(Graph()), Request(Graph())
    _ = two.duration * 3
    first, second = one.status + 1, two.status + 1
    assert first.position != second.position
    assert one.graph.identity(first.position) == two.graph.identity(second.position)
    assert one.graph.identity(first.position) != one.graph.identity((one.status + 2).position)


def test_key_order_does_not_matter() -> None:
    """(a, b) and (b, a) are one key, and naming a part twice adds nothing."""
    row = Request(Graph())
    client, path, method = row.client.position, row.path.position, row.method.position
    graph = row.graph
    assert graph.key([client, path]) == graph.key([path, client]) == graph.key([client, path, client])
    assert graph.key([graph.key([client, path]), method]) == graph.key([method, graph.key([path, client])])
