"""The effective configuration as text, with every default filled in and every secret hidden."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import yaml
from pydantic import SecretStr

from apisec_otel.component import Chosen, leaves
from apisec_otel.config.duration import format_duration
from apisec_otel.config.load import SECTIONS
from apisec_otel.config.model import Config

REDACTED = "[REDACTED]"
_USERINFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")


def show(config: Config) -> str:
    """The configuration as YAML that means the same, but for its secrets."""
    tree: dict[str, Any] = {}
    for family in SECTIONS:
        if config.components.get(family):
            tree[family] = {str(id): _plain(each.settings) for id, each in config.components[family].items()}
    tree["service"] = {
        "extensions": [str(each.id) for each in config.extensions],
        "pipelines": {
            str(each.id): {part: [str(one.id) for one in getattr(each, part)] for part in ("receivers", "processors", "exporters")}
            for each in config.pipelines
        },
        "telemetry": _plain(config.telemetry),
    }
    return yaml.safe_dump(tree, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return REDACTED
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Chosen):
        return {**_plain(value.settings), **_plain(value.beside)}
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(item) for name, item in leaves(value) if item is not None}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return _USERINFO.sub(REDACTED, value).replace("$", "$$")
    return value
