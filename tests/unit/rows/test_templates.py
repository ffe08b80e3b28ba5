"""Templates learned from paths: what becomes a variable, what stays, what a scanner cannot do, and what configuration corrects."""

from __future__ import annotations

import random

import pytest

from apisec_otel import semconv
from apisec_otel.processors.endpoints import Endpoints, FixedRoute
from apisec_otel.testing.reference.templates import Templates
from bench.quality.templates import SETS, Learner, accuracy, generated, request

LATER = 3_000
"""A number whose span starts a minute after the first: past a tick."""


def words(count: int, seed: int = 1) -> list[str]:
    drawn = random.Random(seed)
    return ["".join(drawn.choices("bcdfghklmnpr", k=5)) for _ in range(count)]


def names(learner: Learner, paths: list[str], first: int = LATER, *, status: int = 200) -> list[str]:
    return [learner.endpoints.name(key) for key in learner.keys(request(paths, first, status=status))]


def test_many_rare_words_are_one_variable_and_the_old_names_resolve() -> None:
    learner = Learner()
    before = learner.keys(request([f"/shop/{word}" for word in words(40)], 0))
    assert len(set(before)) == 40
    old = [learner.endpoints.name(key) for key in before]
    (now,) = learner.keys(request(["/shop/never-seen"], LATER))
    assert learner.endpoints.name(now) == "shop GET /shop/{id}"
    assert [learner.endpoints.name(key) for key in before] == old
    assert {learner.endpoints.current(key) for key in before} == {now}
    assert learner.endpoints.counts()["merged"] == 40


def test_frequent_and_reserved_words_stay_literal() -> None:
    learner = Learner()
    learner.batch(request([f"/users/{word}" for word in words(60)] + ["/users/staff"] * 30 + ["/users/me"], 0))
    asked = ["/users/staff", "/users/me", "/users/zoe"]
    assert names(learner, asked) == ["shop GET /users/staff", "shop GET /users/me", "shop GET /users/{id}"]


def test_below_a_variable_levels_collapse_as_well() -> None:
    learner = Learner()
    one, two = words(60, 1), words(60, 2)
    learner.batch(request([f"/teams/{a}/members/{b}" for a, b in zip(one, two, strict=True)], 0))
    assert names(learner, ["/teams/reds/members/bo"]) == ["shop GET /teams/{id}/members/{id}"]


def test_a_few_words_stay_words() -> None:
    learner = Learner()
    paths = [f"/reports/{word}" for word in words(15)]
    learner.batch(request(paths, 0))
    assert names(learner, paths) == [f"shop GET {path}" for path in paths]


def test_failures_teach_nothing() -> None:
    learner = Learner()
    scan = [f"/shop/{word}" for word in words(500)]
    assert set(names(learner, scan, 0, status=404)) == {"shop GET (unmatched)"}
    assert set(names(learner, scan, status=404)) == {"shop GET (unmatched)"}
    assert (len(learner.endpoints), learner.endpoints.counts()["bytes"]) == (1, 0)


def test_memory_and_templates_are_capped_and_what_is_used_comes_back() -> None:
    learner = Learner(Endpoints(max_templates=50))
    for turn in range(20):
        paths = [f"/{a}/{b}/{c}" for a, b, c in zip(words(40, turn), words(40, turn + 50), words(40, turn + 99), strict=True)]
        learner.batch(request(paths, turn * 1_000))
    counts = learner.endpoints.counts()
    assert counts["evicted"] > 0
    assert counts["bytes"] < 50 * 1_000
    assert names(learner, ["/health"], 30_000) == ["shop GET /health"]


def test_configured_templates_win_over_given_and_learned() -> None:
    routes = (FixedRoute(service="shop", path="/users/{name}/profile"), FixedRoute(service="other", path="/{all}"))
    learner = Learner(Endpoints(routes=routes, literals=("2024",)))
    asked = ["/users/ann/profile", "/users/bob/profile", "/about", "/reports/2024", "/reports/2025"]
    wanted = ["/users/{name}/profile", "/users/{name}/profile", "/about", "/reports/2024", "/reports/{id}"]
    assert names(learner, asked, 0) == [f"shop GET {template}" for template in wanted]
    assert names(learner, ["/users/eve/profile"], 10, status=404) == ["shop GET /users/{name}/profile"]


@pytest.mark.parametrize("path", ["users", "/{*}", ""])
def test_a_template_of_everything_or_nothing_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="is no template"):
        FixedRoute(path=path)


@pytest.mark.parametrize("seed", range(6))
def test_learning_is_that_of_the_reference_however_the_stream_is_cut(seed: int) -> None:
    drawn = random.Random(seed)
    asked = [each.path for name in SETS for each in generated(name, 700, seed)]
    asked += [f"/w/{word}" for word in words(300, seed)] + [f"/{word}" for word in words(150, seed)]
    drawn.shuffle(asked)
    reference = Templates(frozenset(semconv.LITERAL_SEGMENTS))
    gap = 20_000_000
    start = 1_767_225_600 * 10**9
    wanted = [
        reference.row("GET", path, succeeded=number % 7 != 0, now=start + number * gap) or "(unmatched)"
        for number, path in enumerate(asked)
    ]
    learner, at, found = Learner(), 0, []
    while at < len(asked):
        number = at
        # Statuses alternate by number, so that a cut falls anywhere between teachers and failures.
        until = at + 1 if number % 7 == 0 else min(len(asked), at + drawn.randrange(1, 7 - number % 7 + 1))
        found += names(learner, asked[at:until], at, status=404 if number % 7 == 0 else 200)
        at = until
    assert [name.split(" ", 2)[2] for name in found] == wanted


@pytest.mark.parametrize("name", SETS)
def test_templates_are_found_in_generated_routes(name: str) -> None:
    """The bar of each is a little below what `docs/quality.md` shows."""
    right, _ = accuracy(generated(name, 10_000))
    assert right >= 0.95
