"""No link is dead, and no path that a page names is missing."""

import re
from pathlib import Path

import pytest
from pages import PAGES, ROOT, anchors, links, name


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_resolve(page: Path) -> None:
    for link in links(page):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name(page)}: {link}: nothing is there"
        if anchor:
            assert anchor in anchors(target), f"{name(page)}: {link}: no such heading; there is {sorted(anchors(target))}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_named_files_exist(page: Path) -> None:
    """`docs/...`, `src/...` and so on in code marks."""
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:docs|src|tests|examples|rust|bench|scripts|pipelines)/[\w./-]*)`", text)
    missing = [path for path in named if not (ROOT / path).exists()]
    assert not missing, f"{name(page)} names {missing}"


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in links(index)}
    pages = {page for page in PAGES if page.is_relative_to(index.parent) and page.parent.name != "decisions" and page != index}
    assert pages <= linked, [name(page) for page in pages - linked]


def test_no_page_knows_this_machine() -> None:
    for page in PAGES:
        assert not re.search(r"/(?:home|root|work|tmp|Users)/", page.read_text(encoding="utf-8")), name(page)
