"""The README's generated blocks: what stands between `<!-- name -->` and `<!-- end -->`."""

import re
from collections.abc import Mapping
from pathlib import Path

from docs.pages import detectors, markdown

EXAMPLE = "examples/custom_detector/apisec_credential_sharing/credential_sharing.py"


def blocks(root: Path) -> dict[str, str]:
    """Every block by its name."""
    shown = (root / EXAMPLE).read_text(encoding="utf-8")
    return {"detector": markdown.code(shown, "python"), "detectors": detectors.table()}


def filled(text: str, blocks: Mapping[str, str]) -> str:
    """The text with its blocks anew; a block that has no place there is a ValueError."""
    for name, block in blocks.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"README.md: <!-- {name} --> and its <!-- end --> are missing")
        text = pattern.sub(lambda found, block=block: f"{found[1]}{block}\n{found[2]}", text)  # type: ignore[misc]
    return text
