"""A gateway's span and the application's are one request; what only the gateway told of is judged by itself, later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.calls import behind, front, sent
from tests.otlp import stored
from tests.replayed import Run, lines, summary

from apisec_otel.cli.options import packaged
from apisec_otel.config import read
from apisec_otel.testing.built import Built

NAMED = ["processors::requests::gateways=[edge]"]


def both(count: int, *, at: float = 0, prefix: str = "", first: int = 1) -> list[bytes]:
    """So many calls through the gateway, one a second, its half first."""
    numbers = range(first, first + count)
    pairs = [(front(each, f"/orders/{each}", at=at + each), behind(each, f"{prefix}/orders/{each}", at=at + each)) for each in numbers]
    return [sent(half) for pair in pairs for half in pair]


def test_one_line_names_both_spans(run: Run, tmp_path: Path) -> None:
    _, out, _ = run(stored(tmp_path / "f", *both(3)))
    told = lines(out, "request")
    assert [(line["span_id"], line["merged"]) for line in told] == [(f"{2 * n + 1:016x}", [f"{2 * n:016x}"]) for n in (1, 2, 3)]
    assert (summary(out)["spans"], summary(out)["requests"]) == (6, 3)


def test_other_paths_are_one_call_only_where_the_gateway_is_known(run: Run, tmp_path: Path) -> None:
    file = stored(tmp_path / "f", *both(3, prefix="/v1"))
    _, unknown, _ = run(file, out=tmp_path / "unknown")
    _, named, _ = run(file, out=tmp_path / "named", settings=NAMED)
    assert (summary(unknown)["requests"], summary(named)["requests"]) == (6, 3)


def test_a_gateway_is_found_by_its_calls(run: Run, tmp_path: Path) -> None:
    _, out, _ = run(stored(tmp_path / "f", *both(40, prefix="/v1")))
    merged = [bool(line["merged"]) for line in lines(out, "request")]
    assert merged[-20:] == [True] * 20
    assert not any(merged[:8])


def test_the_application_is_told_who_asked_the_gateway() -> None:
    built = Built(read([str(packaged("replay"))]))
    built.take(*both(1))
    released = built.end().steps
    assert released is not None
    (row,) = built.view(released.native)
    assert released.text(0, "client") == "203.0.113.7"
    assert row["client"] == built.keyed_hash(bytes([203, 0, 113, 7]))
    assert row["principal"] == built.keyed_hash("ann")


def test_a_scan_that_ends_at_the_gateway_is_found_all_the_same(run: Run, tmp_path: Path) -> None:
    scan = [sent(front(each, f"/secret{each}", at=each, status=404, client="198.51.100.9")) for each in range(100, 120)]
    _, out, _ = run(stored(tmp_path / "f", *both(20), *scan), settings=NAMED)
    found = [line for line in lines(out, "finding") if line["detector"] == "scan_probing"]
    assert found, "raised though nothing of it reached the application"
    assert int(found[0]["span_id"], 16) // 2 >= 100
    assert summary(out)["requests"] == 40


def test_a_gateways_refusals_are_judged_six_seconds_later_and_written_on_no_span() -> None:
    built = Built(read([str(packaged("replay"))], NAMED))
    told: list[Any] = []
    for each in range(100, 130):
        batch = built.take(sent(front(each, f"/secret{each}", at=each, status=404, client="198.51.100.9")))
        told += [(each, finding.span_id, finding.step) for finding in batch.findings if finding.detector == "scan_probing"]
        assert batch.encode()[0] == sent(front(each, f"/secret{each}", at=each, status=404, client="198.51.100.9"))
    assert told
    assert all(step and int.from_bytes(span, "big") // 2 + 6 < each for each, span, step in told)
