"""What `validate` says of detectors that are made in YAML of river's models: every mistake at its key, and what each costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from apisec_otel.errors import SettingsError, suggest
from apisec_otel.plan.kernels import model
from apisec_otel.plan.rows import CUSTOM, columns
from apisec_otel.plan.words import listed

KINDS: Mapping[str, str] = {"id": "key", "number": "number", "logic": "flag"}
"""Kinds of columns as configuration calls them."""
OF: Mapping[str, tuple[str, ...]] = {"count": ("flag",), "rate": ("flag",), "share": ("flag",), "distinct": ("key",), "total": ("number",)}
"""What each tally is a tally of."""

Problem = tuple[tuple[str, ...], str]
"""The keys that lead to it, and the sentence."""


def refuse(made: Mapping[str, Any], custom: Mapping[str, str]) -> None:
    """Raises SettingsError with all that is wrong with detectors that are made in YAML, by id."""
    wrong = [(("detectors", id, *path), what) for id, settings in made.items() for path, what in problems(settings, custom)]
    if wrong:
        raise SettingsError(wrong)


def problems(settings: Any, custom: Mapping[str, str]) -> list[Problem]:
    """What is wrong with a `River`'s settings; `custom` are the columns that configuration adds."""
    kinds = {each.name: KINDS[each.face.kind] for each in columns()}
    kinds |= {f"custom.{name}": KINDS[CUSTOM[kind].kind] for name, kind in custom.items()}
    found = [(("model", param) if param else ("river",), what) for param, what in model.wrong(settings.river, settings.model)]
    asked = [(path, name, wanted) for path, name, wanted in _columns(settings) if kinds.get(name) not in wanted]
    return [*found, *_shapes(settings), *((path, _wrong(name, wanted, kinds)) for path, name, wanted in asked)]


def costs(id: str, settings: Any) -> Iterator[str]:
    """What a native model takes. Of one in Python the plan tells, which has measured it."""
    if model.is_native(settings.river, settings.model):
        size = 8 * model.words(settings.model) * (1 + len(settings.features))
        keys = listed([each.removeprefix("custom.") for each in settings.by])
        yield f"{id}: {settings.river} runs natively, and takes up to {max(1, size // 1_000):,} kB for each {keys}"


def _shapes(settings: Any) -> Iterator[Problem]:
    if not settings.features:
        yield ("features",), "name at least one, as in {size: response_size, paths: {distinct: path, by: session, within: 10m}}"
    for name, feature in settings.features.items():
        if not isinstance(feature, str) and len(feature.asked()) != 1:
            there = listed([f"`{how}`" for how, _ in feature.asked()]) if feature.asked() else "none"
            yield ("features", name), f"says what is counted by exactly one of {', '.join(OF)}; there is {there}"


def _columns(settings: Any) -> Iterator[tuple[tuple[str, ...], str, tuple[str, ...]]]:
    """Each column that is named: where, which, and of which kinds it may be."""
    yield from ((("by",), name, ("key",)) for name in settings.by)
    if settings.where is not None:
        yield ("where",), settings.where, ("flag",)
    for name, feature in settings.features.items():
        here = ("features", name)
        if isinstance(feature, str):
            yield here, feature, ("number", "flag")
            continue
        yield from (((*here, how), of, OF[how]) for how, of in feature.asked())
        yield from (((*here, "by"), each, ("key",)) for each in feature.by or ())


def _wrong(name: str, wanted: tuple[str, ...], kinds: Mapping[str, str]) -> str:
    allowed = [each for each, kind in kinds.items() if kind in wanted]
    what = f"{name} is a {kinds[name]}, and a {' or a '.join(wanted)} is wanted" if name in kinds else f"there is no column {name}"
    count = (
        f"count it, as in {{distinct: {name}, by: session}}, or take another; " if kinds.get(name) == "key" and "number" in wanted else ""
    )
    return f"{what}; {count}{suggest(name, allowed)}"
