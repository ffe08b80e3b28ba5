"""docs/reference/components.md: every component but the detectors, with all settings."""

from collections.abc import Iterator

from apisec_otel.builtin import ALIASES, BUILTIN, load
from apisec_otel.component import FAMILIES, Family, declared
from apisec_otel.config.model import ServiceSettings
from docs.pages import markdown
from docs.pages.settings import settings_table

INTRO = """\
What may stand in a configuration file, by section. How such a file is written: [configuration](configuration.md).
`outer::inner` is a key in a map, as in `--set processors::sessions::idle=45m`. A duration is `30s`, `10m` or `1h30m`; a
size is a number of bytes or `32MiB`. `apisec-otel print-config` prints a configuration with every default filled in;
`apisec-otel components` lists what is installed."""


def page() -> str:
    """The page."""
    parts = [part for family in FAMILIES if family != "detectors" for part in _family(family)]
    return markdown.page("Components and their settings", INTRO, *parts, *_service())


def _family(family: Family) -> Iterator[str]:
    yield f"## {family.capitalize()}"
    for id in BUILTIN[family]:
        yield from _component(family, id)


def _component(family: Family, id: str) -> Iterator[str]:
    cls = load(family, id)
    says = declared(cls)
    yield f"### {id}"
    yield markdown.prose(cls.__doc__)
    aliases = [old for old, new in ALIASES.get(family, {}).items() if new == id]
    notes = {
        "Also accepted as": aliases,
        "Pipelines": sorted(says.signals) if family in ("receivers", "processors", "exporters") else [],
        "Feeds pipelines of": sorted(says.gives),
        "Needs the columns": sorted(says.needs),
        "Fills the columns": sorted(says.provides),
    }
    yield "\n".join(f"- {word}: {markdown.ticked(names)}" for word, names in notes.items() if names)
    yield settings_table(cls)
    if says.refused:
        yield "Refused, each with a sentence that says why (`enabled: false` in it is accepted):"
        yield "\n".join(f"- `{key}`: {why}." for key, why in says.refused.items())


def _service() -> Iterator[str]:
    yield "## Service"
    yield markdown.prose(ServiceSettings.__doc__)
    yield settings_table(ServiceSettings)
