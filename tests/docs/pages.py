"""The documents as tests see them: files, links, blocks of code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
WRITTEN = [page for page in PAGES if page.parent != ROOT / "docs" / "reference" or page.stem in ("wire-contract", "configuration")]
"""Those that people write."""

_BLOCK = re.compile(r"^```(\S*) ?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block of code."""

    page: Path
    line: int
    language: str
    about: str
    """What stands behind the language."""
    text: str

    def __str__(self) -> str:
        return f"{name(self.page)}:{self.line}"


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(*languages: str) -> list[Block]:
    """All blocks of these languages, in the pages that people write."""
    found = [block for page in WRITTEN for block in _blocks(page)]
    return [block for block in found if block.language in languages]


def _blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        yield Block(page, text.count("\n", 0, found.start()) + 1, found[1], found[2], found[3])


def links(page: Path) -> list[str]:
    """Targets of a page's links, those in code left out."""
    return _LINK.findall(re.sub(r"`[^`]*`", "", _BLOCK.sub("", page.read_text(encoding="utf-8"))))


def anchors(page: Path) -> set[str]:
    """What a link may name in a page, as GitHub makes it of headings."""
    text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def commands(block: Block) -> list[str]:
    """The lines of a block of shell; what a pipe does with the output is left out."""
    return [line.split(" | ")[0].strip() for line in block.text.splitlines() if line.strip()]
