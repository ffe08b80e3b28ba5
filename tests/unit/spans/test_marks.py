"""Bits that Python reads in a row's marks are those that the native module writes."""

from __future__ import annotations

from apisec_otel import _native
from apisec_otel.findings.rows import Mark


def test_python_and_the_native_module_mean_the_same_bits() -> None:
    assert {mark.name: mark.value for mark in Mark} == {name: _native.MARKS[name] for name in Mark.__members__}
