"""Measures how well apisec-otel judges, on generated traffic of known truth and on recorded spans; writes docs/quality.md.

Every other module of this package is one section: its name is the mark on the page, and `measure()` gives the lines. One that
compares with the last figures keeps them with `keep()`.
"""

from __future__ import annotations

import argparse
import pkgutil
import sys
import time
from importlib import import_module
from pathlib import Path

from bench.pages import ROOT, between

PAGE = ROOT / "docs" / "quality.md"
SECTIONS = sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]) if module.name != "__main__")


def main() -> None:
    """Prints each section; puts it into the page unless told not to."""
    parser = argparse.ArgumentParser(prog="make quality", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; all when left out")
    parser.add_argument("--no-write", action="store_true", help="only print")
    options = parser.parse_args()
    unknown = set(options.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    for name in options.sections or SECTIONS:
        start = time.monotonic()
        section = import_module(f"bench.quality.{name}")
        lines = section.measure()
        print("\n".join([f"{name}:", *lines, ""]), flush=True)
        print(f"{name} took {time.monotonic() - start:.0f} s", file=sys.stderr)
        if not options.no_write:
            between(PAGE, name, lines)
            if hasattr(section, "keep"):
                section.keep()


if __name__ == "__main__":
    main()
