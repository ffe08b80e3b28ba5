"""Writes the generated parts of the documents: `python -m docs.generate`, or `--check` to hear what is stale.

Pages of docs/reference and blocks of the README come from the code's own docstrings, so that they cannot say anything else.
"""

import argparse
import os
import sys
from pathlib import Path

from docs.pages import cli, columns, components, detectors, limits, metrics, readme, state

ROOT = Path(__file__).parents[1]
PAGES = {
    "detectors": detectors,
    "components": components,
    "limits": limits,
    "metrics": metrics,
    "columns": columns,
    "state": state,
    "cli": cli,
}


def texts(root: Path = ROOT) -> dict[Path, str]:
    """Every file that is generated, wholly or in blocks, with its text as it should be."""
    made = {root / "docs" / "reference" / f"{name}.md": module.page() for name, module in PAGES.items()}
    front = root / "README.md"
    return made | {front: readme.filled(front.read_text(encoding="utf-8"), readme.blocks(root))}


def stale(root: Path = ROOT) -> dict[Path, str]:
    """Those of them whose text is another."""
    return {path: text for path, text in texts(root).items() if not path.is_file() or path.read_text(encoding="utf-8") != text}


def main() -> int:
    """0: everything is current (now); 1: `--check` found something stale."""
    parser = argparse.ArgumentParser(description="Writes the generated parts of the documents.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when something is stale")
    check = parser.parse_args().check
    found = stale()
    for path, text in found.items():
        print(f"{'stale' if check else 'written'}: {os.path.relpath(path)}", file=sys.stderr)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return int(check and bool(found))


if __name__ == "__main__":
    sys.exit(main())
