"""Puts measured lines into pages, between marks."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def between(page: Path, mark: str, lines: list[str]) -> None:
    """Replaces what stands between `<!-- mark -->` and `<!-- end -->` on a page."""
    before, found, rest = page.read_text().partition(f"<!-- {mark} -->\n")
    _, _, after = rest.partition("<!-- end -->\n")
    if not found:
        raise SystemExit(f"{page.name} has no place <!-- {mark} -->")
    page.write_text(before + found + "\n".join(lines) + "\n<!-- end -->\n" + after)
