"""Columns that configuration adds: from attributes to detectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from tests.otlp import call, request
from tests.unit.snapshots.chain import Chain

from apisec_otel import builtin
from apisec_otel.api import Request, Severity, Signal, State
from apisec_otel.config import read
from apisec_otel.errors import ConfigError

HOUR = timedelta(hours=1)
COLUMNS = """
processors:
  requests:
    columns:
      tenant: {from: [app.tenant]}
      items: {from: [app.items, cart.size], as: number}
      staff: {from: [app.staff], as: flag}
"""


@dataclass(frozen=True, kw_only=True)
class Tenants:
    """Raises where staff take more than ten items in more than two tenants."""

    owasp: ClassVar[str] = "API0:2023"
    severity: ClassVar[Severity] = "low"

    def signals(self, row: Request, state: State) -> Iterator[Signal]:
        seen = state.distinct(row.custom("tenant"), by=row.principal, within=HOUR)
        when = row.custom("staff") & (row.custom("items") > 10) & (seen > 2)
        yield Signal(when=when, entity=row.principal, evidence={"tenants": seen}, because="{tenants.observed:.0f} tenants")


@pytest.fixture(autouse=True)
def _tenants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(builtin.BUILTIN["detectors"], "tenants", f"{__name__}:Tenants")


def asked(number: int, resource: dict[str, Any] | None = None, **of: Any) -> bytes:
    made = call(number, at=number)
    for key, value in of.items():
        attribute = made.attributes.add(key=key.replace("_", "."))
        kind = {bool: "bool_value", int: "int_value", str: "string_value"}[type(value)]
        setattr(attribute.value, kind, value)
    return request(made, resource={"service.name": "shop", **(resource or {})})


def raised(*requests: bytes) -> list[int]:
    chain = Chain(sources=[f"yaml:{COLUMNS}"])
    found = [at for at, each in enumerate(requests) if any(finding.detector == "tenants" for finding in chain.take(each, at=at).findings)]
    return found


def test_a_key_a_number_and_a_flag_are_read_from_spans_and_resources() -> None:
    rows = [
        asked(1, app_tenant="a", app_items=11, app_staff=True),
        asked(2, app_tenant="b", app_items=11, app_staff=True),
        asked(3, app_tenant="b", app_items=11, app_staff=True),
        asked(4, {"app.tenant": "c"}, cart_size="12", app_staff="true"),
        asked(5, app_tenant="d", app_items=10, app_staff=True),
        asked(6, app_tenant="d", app_items=11, app_staff=False),
        asked(7, app_tenant="d", app_items=11),
        asked(8, app_tenant="[REDACTED]", app_items=11, app_staff=1),
        asked(9, app_tenant="d", app_items=11, app_staff=1),
    ]
    assert raised(*rows) == [3, 7, 8], "a redacted tenant is none more"


def test_a_column_that_is_not_configured_is_named_at_start() -> None:
    with pytest.raises(ConfigError, match=r"row.custom\('tenant'\): no such column; `requests::columns` configures none"):
        read(["packaged:default"])
    more = COLUMNS.replace("tenant:", "tennant:")
    with pytest.raises(ConfigError, match=r"Tenants.signals line \d+: row.custom\('tenant'\).* configures items, staff and tennant"):
        read(["packaged:default", f"yaml:{more}"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{tenant: {from: []}}", "from names at least one attribute"),
        ("{tenant: {from: [a], as: text}}", "'key', 'number' or 'flag'"),
        ("{tenant: {of: [a]}}", "unknown key; allowed: as, from"),
        ("{a b: {from: [a]}}", "'a b' is no name"),
        ("{" + ", ".join(f"c{n}: {{from: [a]}}" for n in range(9)) + "}", "at most 8 fit"),
    ],
)
def test_mistakes_are_told(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(["packaged:default", f"yaml:processors: {{requests: {{columns: {text}}}}}"])
    assert told in str(caught.value)


def test_the_columns_are_shown_as_they_were_written() -> None:
    from apisec_otel.config.show import show

    shown = show(read(["packaged:default", f"yaml:{COLUMNS}"]))
    assert "from: [app.items, cart.size]" in shown
    assert read([f"yaml:{shown}"]).custom_columns() == {"items": "number", "staff": "flag", "tenant": "key"}
