"""When a model in YAML is worth it, held to the traffic that docs/how-to/use-a-river-model.md tells of."""

from __future__ import annotations

from bench.quality import river


def test_what_is_odd_together_is_found_by_trees_and_not_by_each_number_alone() -> None:
    alone, trees = (river.judged(name).found() for name in ("each number alone (`tail`)", "`river: anomaly.HalfSpaceTrees`"))
    for together in ("waits for little", "much at once"):
        assert trees[together] > 0.9
        assert alone[together] < 0.1


def test_what_is_odd_by_itself_is_found_by_its_number_and_not_by_trees() -> None:
    alone, trees = (river.judged(name).found() for name in ("each number alone (`tail`)", "`river: anomaly.HalfSpaceTrees`"))
    for by_itself in ("dump", "long question"):
        assert alone[by_itself] > 0.9
        assert trees[by_itself] < 0.5
