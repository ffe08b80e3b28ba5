"""docs/reference/detectors.md, and the README's table of detectors."""

from collections.abc import Iterator
from typing import Any

from apisec_otel.builtin import BUILTIN, load, load_made
from apisec_otel.detectors.river import Tally
from apisec_otel.plan.build import build
from apisec_otel.plan.draft import Chosen
from apisec_otel.processors.detect import EngineKeys
from docs.pages import markdown
from docs.pages.settings import settings_table

INTRO = """\
Each stands under `processors::detect::detectors` by its id; one that is not named there runs with its defaults,
unless it is off by default. Beside its own settings each takes the engine's keys. What is missing in a row
makes the conditions on it unknown, and unknown never raises.
How to change them: [tune a detector](../how-to/tune-a-detector.md)."""


def page() -> str:
    """The page."""
    engine = ["## The engine's keys", settings_table(EngineKeys)]
    shipped = (part for id in BUILTIN["detectors"] for part in _detector(id))
    return markdown.page("Detectors", INTRO, *shipped, *_river(), *engine)


def _river() -> Iterator[str]:
    cls: Any = load_made("detectors", "river")
    yield "## river"
    yield "Under an id of your own, as [use a river model](../how-to/use-a-river-model.md) says. " + markdown.prose(cls.__doc__)
    yield settings_table(cls)
    yield "A feature that is counted:"
    yield settings_table(Tally)


def table() -> str:
    """One line for each detector."""
    head = ("detector", "OWASP", "severity", "what it finds", "needs the columns")
    found = ((id, load("detectors", id)) for id in BUILTIN["detectors"])
    return markdown.table(head, (_line(id, cls) for id, cls in found))


def _line(id: str, cls: Any) -> tuple[str, ...]:
    link = f"[`{id}`](docs/playbooks/{id}.md)"
    return link, cls.owasp, cls.severity, markdown.first_line(cls.__doc__), markdown.ticked(columns(id))


def columns(id: str) -> list[str]:
    """The columns that a detector reads."""
    return sorted(build([Chosen(id=id, detector=load("detectors", id)())]).columns[id])


def _detector(id: str) -> Iterator[str]:
    cls: Any = load("detectors", id)
    yield f"## {id}"
    yield markdown.prose(cls.__doc__)
    yield "\n".join(
        (
            f"- OWASP API Security Top 10: {cls.owasp}; severity: {cls.severity}, unless a signal says otherwise",
            f"- Reads the [columns](columns.md): {markdown.ticked(columns(id))}",
            *(["- Runs only where its `mode` says so: by default it is off"] if getattr(cls, "mode", "") == "off" else []),
            f"- What to do when it raises: [playbook](../playbooks/{id}.md)",
            f"- Source: [`{id}.py`](../../src/apisec_otel/detectors/{id}.py)",
        )
    )
    yield settings_table(cls)
