"""JSON Schema of the configuration, for editors; made from the same dataclasses that are checked against."""

import ast
import inspect
import re
import textwrap
from dataclasses import fields
from functools import lru_cache
from itertools import pairwise
from typing import Any, cast

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from apisec_otel.builtin import ALIASES, MADE, known, load, load_made
from apisec_otel.component import Family, Nested, declared, spelled
from apisec_otel.config.duration import PATTERN
from apisec_otel.config.load import SECTIONS
from apisec_otel.config.model import ServiceSettings
from apisec_otel.config.settings import _bare, type_hints
from apisec_otel.errors import ComponentError

EXPANDED = {"type": "string", "pattern": r"\$\{.*\}"}
"""Wherever a number or a switch is wanted, `${env:NAME}` may stand."""


@lru_cache(maxsize=1024)
def attribute_docs(cls: Any) -> dict[str, str]:
    """The docstring under each attribute of a class and its bases; empty where the source is not to be had."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        except (OSError, TypeError, SyntaxError):
            continue
        body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
        for before, after in pairwise(body):
            if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and _is_text(after):
                docs[before.target.id] = inspect.cleandoc(after.value.value)  # type: ignore[attr-defined]
    return docs


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


class _Generator(GenerateJsonSchema):
    def timedelta_schema(self, schema: core_schema.TimedeltaSchema) -> JsonSchemaValue:
        return {"type": "string", "pattern": PATTERN, "examples": ["30s", "10m", "1h30m"]}

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        return _or_expanded(super().int_schema(schema))

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        return _or_expanded(super().float_schema(schema))

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchemaValue:
        return _or_expanded(super().bool_schema(schema))

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        if str(made.get("default", "")).startswith("P"):
            made.pop("default")
        return made

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        made = super().dataclass_schema(schema)
        cls = schema["cls"]
        docs = attribute_docs(cast(Any, cls))
        for name in [each.name for each in fields(cast(Any, cls)) if not each.init]:
            made.get("properties", {}).pop(name, None)
        for name, each in made.get("properties", {}).items():
            each.pop("title", None)
            if name in docs:
                each["description"] = docs[name]
            if nested := _bare(type_hints(cls)[name])[1]:
                each.update(_nested(nested))
        made["properties"] = {spelled(name): each for name, each in made.get("properties", {}).items()}
        if "required" in made:
            made["required"] = [spelled(name) for name in made["required"]]
        for name, why in declared(cls).refused.items():
            made["properties"][name] = {"description": why, "type": "object", "properties": {"enabled": {"const": False}}}
        made["additionalProperties"] = False
        made["type"] = ["object", "null"]
        return made


def _or_expanded(schema: JsonSchemaValue) -> JsonSchemaValue:
    return {"anyOf": [schema, EXPANDED]}


def settings_schema(cls: type) -> JsonSchemaValue:
    """The schema of one settings class, its `$defs` inside."""
    return TypeAdapter(cls).json_schema(schema_generator=_Generator, mode="validation")


def _nested(nested: Nested) -> JsonSchemaValue:
    """The map from id to settings: each component's own keys and the engine's beside them."""
    beside = settings_schema(nested.beside)
    found = {}
    for id, schema in _family(nested.family).items():
        found[id] = _and(schema, beside)
    made = [{**_and(settings_schema(load_made(nested.family, key)), beside), "required": [key]} for key in MADE.get(nested.family, {})]
    return {"type": ["object", "null"], "properties": found, "additionalProperties": {"anyOf": made} if made else False}


def _and(schema: JsonSchemaValue, beside: JsonSchemaValue) -> JsonSchemaValue:
    """A component's keys and the engine's; what it refers to stands in its place, as the schema around it knows no name of it."""
    inner = schema.pop("$defs", {})
    schema = _in_place(schema, inner)
    return {**schema, "properties": {**schema.get("properties", {}), **beside.get("properties", {})}}


def _in_place(value: Any, inner: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        found = inner.get(str(value.get("$ref", "")).removeprefix("#/$defs/"))
        return _in_place(found, inner) if found else {key: _in_place(each, inner) for key, each in value.items()}
    return [_in_place(each, inner) for each in value] if isinstance(value, list) else value


def _family(family: Family) -> dict[str, JsonSchemaValue]:
    found = {}
    for id in known(family):
        try:
            found[id] = settings_schema(load(family, id))
        except ComponentError as error:
            found[id] = {"description": str(error)}
    for old, new in ALIASES.get(family, {}).items():
        if new in found:
            found[old] = {**found[new], "deprecated": True}
    return found


def schema() -> dict[str, Any]:
    """The schema of a whole configuration file with all components that are installed here."""
    properties: dict[str, Any] = {}
    definitions: dict[str, Any] = {}
    for family in SECTIONS:
        patterns = {}
        for id, each in _family(family).items():
            patterns[rf"^{re.escape(id)}(/.+)?$"] = _lifted(each, f"{family}.{id}", definitions)
        properties[family] = {"type": ["object", "null"], "patternProperties": patterns, "additionalProperties": False}
    properties["service"] = _lifted(settings_schema(ServiceSettings), "service", definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "apisec-otel configuration",
        "type": "object",
        "properties": properties,
        "required": ["service"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _lifted(part: dict[str, Any], prefix: str, into: dict[str, Any]) -> dict[str, Any]:
    """Moves a part's `$defs` to the top under names of their own."""
    inner = part.pop("$defs", {})
    for name, each in inner.items():
        into[f"{prefix}.{name}"] = _renamed(each, prefix, into)
    return dict(_renamed(part, prefix, into))


def _renamed(value: Any, prefix: str, into: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        if "$defs" in value:
            return _lifted(dict(value), prefix, into)
        return {
            key: f"#/$defs/{prefix}.{item[8:]}" if key == "$ref" and item.startswith("#/$defs/") else _renamed(item, prefix, into)
            for key, item in value.items()
        }
    return [_renamed(item, prefix, into) for item in value] if isinstance(value, list) else value
