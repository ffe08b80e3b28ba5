"""Settings of any component: said in words, bounded, the same in YAML, in the schema and in Python."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, get_origin

from pydantic import TypeAdapter, ValidationError

from apisec_otel.component import spelled
from apisec_otel.config import Config, read
from apisec_otel.config.duration import format_duration
from apisec_otel.config.packaged import packaged
from apisec_otel.config.schema import attribute_docs, settings_schema
from apisec_otel.config.settings import type_hints
from apisec_otel.config.show import show
from apisec_otel.errors import ConfigError
from apisec_otel.processors.detect import Detect
from apisec_otel.testing.checks.check import Check, expect, one, same
from apisec_otel.testing.checks.subject import Subject


def checks(subject: Subject) -> list[Check]:
    """Those of its settings."""
    of_all = (class_and_settings_are_described, settings_are_the_same_after_print_config)
    return [one(of, subject) for of in (*of_all, each_setting_can_be_set, a_misspelt_setting_is_refused, the_schema_has_every_setting)]


def numbers_are_bounded(subject: Subject) -> None:
    """A number or duration says in its type what is allowed, so that `validate` can refuse the others."""
    hints = type_hints(subject.cls)
    for name, value in _defaults(subject):
        if isinstance(value, int | float | timedelta) and not isinstance(value, bool):
            expect(get_origin(hints[name]) is Annotated, f"{name} has no bounds: use Within, Times, Share or Annotated[..., Interval(...)]")


def class_and_settings_are_described(subject: Subject) -> None:
    """The class's docstring is what components and findings say of it; each setting's is its line in the reference."""
    cls: Any = subject.cls
    expect(dataclasses.is_dataclass(cls), f"{cls.__name__} is no dataclass")
    expect(cls.__dataclass_params__.frozen, f"{cls.__name__} can be changed: @dataclass(frozen=True, kw_only=True)")
    first = (cls.__doc__ or "").strip().partition("\n")[0]
    expect(
        first.endswith(".") and not first.startswith(f"{cls.__name__}("), f"{cls.__name__} has no docstring whose first line is a sentence"
    )
    for field in _said(cls):
        expect(attribute_docs(cls).get(field.name), f"{field.name} has no docstring below it")
        expect(_has_default(field) or field.name in subject.settings, f"{field.name} has no default")


def settings_are_the_same_after_print_config(subject: Subject) -> None:
    """What print-config prints is read as what it was, once secrets that it cannot do without are told again."""
    with subject.installed():
        config = _config(subject, {})
        again = read([f"yaml:{show(config)}", f"yaml:{json.dumps(_tree(subject, {}))}"])
    same(_settings(subject, again), _settings(subject, config), "printed and read again")


def each_setting_can_be_set(subject: Subject) -> None:
    """Each number and duration is set to another one, as YAML spells it."""
    for name, value in _others(subject):
        text = format_duration(value) if isinstance(value, timedelta) else value
        with subject.installed():
            config = _config(subject, {spelled(name): text})
        same(getattr(_settings(subject, config), name), value, f"{name}: {text}")


def a_misspelt_setting_is_refused(subject: Subject) -> None:
    """With the path of the key."""
    with subject.installed():
        try:
            _config(subject, {"no_such_setting": 1})
        except ConfigError as error:
            expect(f"{subject.id}::no_such_setting" in str(error), f"the error does not name the key: {error}")
            return
    raise AssertionError("no_such_setting was taken")


def the_schema_has_every_setting(subject: Subject) -> None:
    """With its description, for editors."""
    properties = settings_schema(subject.cls).get("properties", {})
    for field in _said(subject.cls):
        expect(properties.get(spelled(field.name), {}).get("description"), f"{field.name} is not in the schema with a description")


def _said(cls: Any) -> Iterator[dataclasses.Field[Any]]:
    """Settings, and nothing that a class keeps for itself beside them."""
    return (field for field in dataclasses.fields(cls) if field.init)


def configured(subject: Subject) -> Any:
    """Its settings as configuration reads them, with what it cannot do without."""
    with subject.installed():
        return _settings(subject, _config(subject, {}))


def _defaults(subject: Subject) -> Iterator[tuple[str, Any]]:
    settings = configured(subject)
    return ((field.name, getattr(settings, field.name)) for field in _said(subject.cls))


def _others(subject: Subject) -> Iterator[tuple[str, Any]]:
    """Another value of each quantity that the settings allow."""
    adapter: TypeAdapter[Any] = TypeAdapter(subject.cls)
    for name, value in _defaults(subject):
        if isinstance(value, int | float | timedelta) and not isinstance(value, bool):
            for other in (value * 2, value / 2 if not isinstance(value, int) else value // 2):
                try:
                    adapter.validate_python({**subject.settings, name: other})
                except ValidationError:
                    continue
                yield name, other
                break


def _config(subject: Subject, settings: dict[str, Any]) -> Config:
    """Replay's configuration with these settings of the component."""
    return read([packaged("replay"), f"yaml:{json.dumps(_tree(subject, settings))}"])


def _tree(subject: Subject, settings: dict[str, Any]) -> dict[str, Any]:
    own: dict[str, Any] = {subject.id: {**subject.settings, **settings}}
    return {"processors": {"detect": {"detectors": own}}} if subject.family == "detectors" else {subject.family: own}


def _settings(subject: Subject, config: Config) -> Any:
    if subject.family != "detectors":
        return next(each.settings for id, each in config.components[subject.family].items() if str(id) == subject.id)
    return next(each.settings.detectors[subject.id].settings for each in config.used() if isinstance(each.settings, Detect))


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
