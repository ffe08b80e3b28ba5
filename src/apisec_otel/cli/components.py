"""`apisec-otel components`."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from apisec_otel.component import FAMILIES, Family


@click.command("components")
@click.option("--json", "as_json", is_flag=True, help="For programs: JSON instead of YAML.")
@click.option("--columns", is_flag=True, help="The columns of a row that detectors can read, instead.")
@click.option("--schema", is_flag=True, help="The JSON Schema of configuration files, instead.")
def command(as_json: bool, columns: bool, schema: bool) -> None:
    """List all components that can be configured here, those of other packages included.

    \b
    Examples:
      apisec-otel components
      apisec-otel components --json | jq -r '.detectors[].name'
      apisec-otel components --columns
    """
    found: Any
    if schema:
        from apisec_otel.config.schema import schema as make

        found, as_json = make(), True
    elif columns:
        found = _columns()
    else:
        found = {"buildinfo": _build(), **{family: _family(family) for family in FAMILIES}, "made_in_yaml": list(_made())}
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        import yaml

        click.echo(yaml.safe_dump(found, sort_keys=False, width=140, allow_unicode=True), nl=False)


def _build() -> dict[str, str]:
    from importlib.metadata import version

    return {"command": "apisec-otel", "description": "Finds attacks on APIs in traces", "version": version("apisec-otel")}


def _family(family: Family) -> list[dict[str, Any]]:
    from apisec_otel.builtin import ALIASES, known

    listed = []
    for id, origin in known(family).items():
        said = {"name": id, "description": "", "module": f"{origin.package} {origin.version}".strip(), **_told(family, id)}
        aliases = [old for old, new in ALIASES.get(family, {}).items() if new == id]
        listed.append({**said, **({"aliases": aliases} if aliases else {})})
    return listed


def _made() -> Iterator[dict[str, Any]]:
    """What configuration makes under ids of its own, by the key that says so."""
    from apisec_otel.builtin import MADE, load_made

    for family, keys in MADE.items():
        for key in keys:
            yield {"key": key, "of": family, "description": (load_made(family, key).__doc__ or "").partition("\n")[0]}


def _told(family: Family, id: str) -> Mapping[str, Any]:
    """What a component says of itself; one that cannot be imported says why."""
    from apisec_otel.builtin import load
    from apisec_otel.component import declared
    from apisec_otel.errors import ComponentError

    try:
        cls = load(family, id)
    except ComponentError as error:
        return {"error": str(error)}
    says = declared(cls)
    told: dict[str, Any] = {"description": (cls.__doc__ or "").strip().partition("\n")[0]}
    if family == "detectors":
        told["owasp"] = getattr(cls, "owasp", "")
        return told
    if family != "extensions":
        told["signals"] = sorted(says.signals)
    for name in ("needs", "provides", "gives"):
        if getattr(says, name):
            told[name] = sorted(getattr(says, name))
    return told


def _columns() -> list[dict[str, str]]:
    from apisec_otel.plan.rows import ITEMS_ONLY, Item, columns

    return [
        {
            "name": each.name,
            "kind": each.face.kind,
            "description": f"Of an Item: {each.doc}" if each.name in ITEMS_ONLY else each.doc,
            "from": each.source,
            "example": each.example,
        }
        for each in columns(Item)
    ]
