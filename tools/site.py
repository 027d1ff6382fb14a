"""MkDocs hooks: README.md is the first page, and links that leave docs/ lead to the files in the repository.

GitHub's runners say where that is; elsewhere SRGRID_REPOSITORY does, such as https://github.com/OWNER/srgrid. Where
neither is there, such a link becomes plain text.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
_SERVER, _NAME = (os.environ.get(f"GITHUB_{part}", "") for part in ("SERVER_URL", "REPOSITORY"))
REPOSITORY = os.environ.get("SRGRID_REPOSITORY", f"{_SERVER}/{_NAME}" if _NAME else "")
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:|mailto:|#)([^)\s]+)\)")
_PICTURE = re.compile(r"\]\(docs/")
_NOT_HERE = re.compile(r"<!-- not on the site -->.*?<!-- end -->\n*", re.DOTALL)


def on_files(files: Files, config: Any) -> Files:
    """Add README.md as index.md."""
    files.append(File.generated(config, "index.md", content=(ROOT / "README.md").read_text()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """A page with each link as the site has it, without what speaks of the file in the repository."""
    folder = ROOT if page.file.src_uri == "index.md" else ROOT / "docs"
    return _PICTURE.sub("](", _LINK.sub(lambda found: moved(found[1], found[2], folder), _NOT_HERE.sub("", markdown)))


def moved(text: str, link: str, folder: Path) -> str:
    """A link of a page in a folder as the site has it."""
    name, mark, anchor = link.partition("#")
    place = os.path.relpath(folder / name, ROOT)
    if place == "README.md":
        return f"[{text}](index.md{mark}{anchor})"
    if place.startswith("docs/"):
        return f"[{text}]({place.removeprefix('docs/')}{mark}{anchor})"
    return f"[{text}]({REPOSITORY}/blob/main/{place}{mark}{anchor})" if REPOSITORY else text
