"""What is checked: a component's class, the id that it has or would have, and the stories told of it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apisec_otel.builtin import BUILTIN, MADE, known
from apisec_otel.component import Family
from apisec_otel.testing.scenarios import Scenario, load


@dataclass(frozen=True, slots=True)
class Subject:
    """A component's class under its id."""

    family: Family
    id: str
    cls: type[Any]
    scenarios: tuple[tuple[str, Scenario], ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings, as in YAML, that it cannot do without."""

    @contextmanager
    def installed(self) -> Iterator[None]:
        """As if its package were installed, where it is not: configuration knows it, as it knows what it makes itself."""
        if self.id in known(self.family) or any(key in self.settings for key in MADE.get(self.family, {})):
            yield
            return
        BUILTIN[self.family][self.id] = _target(self.cls)
        try:
            yield
        finally:
            del BUILTIN[self.family][self.id]

    def of_kind(self, *kinds: str) -> list[tuple[str, Scenario]]:
        """Its scenarios of these kinds."""
        return [(name, scenario) for name, scenario in self.scenarios if scenario.kind in kinds]


def subject(
    family: Family, cls: type[Any], scenarios: str | Path | None = None, settings: Mapping[str, Any] | None = None, id: str = ""
) -> Subject:
    """A component by its class. ValueError when what is installed under its id is another."""
    id = id or id_of(family, cls)
    registered = known(family).get(id)
    if registered and registered.target != _target(cls) and sys.modules.get(registered.target.partition(":")[0]):
        raise ValueError(f"{family}::{id} is {registered.target}, not {_target(cls)}")
    folder = Path(scenarios) if scenarios is not None else None
    files = sorted(folder.glob("*.yaml")) if folder else []
    return Subject(family, id, cls, tuple((file.stem, load(file)) for file in files), settings or {})


def id_of(family: Family, cls: type[Any]) -> str:
    """The id under which the class is installed; else its name in snake case, as its file should be called."""
    found = [id for id, origin in known(family).items() if origin.target == _target(cls)]
    return found[0] if found else re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()


def _target(cls: type[Any]) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"
