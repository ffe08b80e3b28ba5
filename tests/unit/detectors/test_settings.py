"""Every setting of every detector is described, bounded and checked."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from datetime import timedelta
from typing import Annotated, Any, get_origin, get_type_hints

import pytest
from pydantic import TypeAdapter, ValidationError

from apisec_otel.detectors.auth_bruteforce import AuthBruteforce
from apisec_otel.detectors.bola_enumeration import BolaEnumeration
from apisec_otel.detectors.scan_probing import ScanProbing
from apisec_otel.plan.build import build
from apisec_otel.plan.draft import Chosen

DETECTORS: list[Any] = [BolaEnumeration, AuthBruteforce, ScanProbing]
EACH = pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.__name__)


@EACH
def test_settings_are_described_and_bounded(detector: Any) -> None:
    """Each field has a docstring below it and bounds in its type."""
    body = ast.parse(inspect.getsource(detector)).body[0]
    assert isinstance(body, ast.ClassDef)
    statements = body.body
    described = {
        before.target.id
        for before, after in zip(statements, statements[1:], strict=False)
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and isinstance(after, ast.Expr)
    }
    hints = get_type_hints(detector, include_extras=True)
    for field in dataclasses.fields(detector):
        assert field.name in described
        assert get_origin(hints[field.name]) is Annotated


@EACH
def test_imports_only_the_api(detector: Any) -> None:
    """A detector needs nothing else of the product."""
    tree = ast.parse(inspect.getsource(inspect.getmodule(detector)))  # type: ignore[arg-type]
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {module for module in modules if module and module.startswith("apisec_otel")} == {"apisec_otel.api"}


@pytest.mark.parametrize(
    ("detector", "settings"),
    [
        (BolaEnumeration, {"at_least": 0}),
        (BolaEnumeration, {"window": timedelta(days=2)}),
        (AuthBruteforce, {"normal": 1.0}),
        (ScanProbing, {"half_life": timedelta(0)}),
    ],
)
def test_out_of_bounds_is_refused(detector: Any, settings: dict[str, Any]) -> None:
    """Bounds are part of the setting."""
    with pytest.raises(ValidationError):
        TypeAdapter(detector).validate_python(settings)


def test_together_they_are_one_plan() -> None:
    """All detectors in one plan keep to the default memory."""
    plan = build([Chosen(id=detector.__name__, detector=detector()) for detector in DETECTORS])
    assert [statement.detector for statement in plan.statements] == ["BolaEnumeration", "AuthBruteforce", "ScanProbing", "ScanProbing"]
