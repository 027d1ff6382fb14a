"""Links between the pages: the file is there, and so is the heading."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from blocks import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "models/README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]*)\)")


def text_of(page: Path) -> str:
    """A page without its code."""
    return re.sub(r"(?ms)^```.*?^```$|`[^`\n]*`", "", page.read_text())


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    heads = re.findall(r"(?m)^#+ (.+?)\s*$", re.sub(r"(?ms)^```.*?^```$", "", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_anchors_of_a_page_exist(page: Path):
    lost = []
    for link in LINK.findall(text_of(page)):
        name, _, anchor = unquote(link).partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


def test_there_are_links_to_follow():
    assert sum(len(LINK.findall(text_of(page))) for page in PAGES) > 40
