"""What the documents tell a reader to type: fenced blocks, commands and YAML in running text, examples in comments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "models/README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]

COMMANDS = ("srgrid", "snakemake", "make", "git", "pip", "python", "torchrun", "docker", "apptainer", "pytest")
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.M | re.S)
_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)(?:#[^)]*)?\)")


@dataclass(frozen=True)
class Piece:
    """Something to type: where it stands, its language (empty for a code span), its text."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def fenced(page: str) -> list[Piece]:
    """The fenced code blocks of a page, in order."""
    text = (ROOT / page).read_text()
    return [Piece(page, _line(text, match), match[1].strip(), match[2]) for match in _FENCE.finditer(text)]


def spans(page: str) -> list[Piece]:
    """The code spans outside fenced blocks."""
    text = (ROOT / page).read_text()
    bare = _FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)
    return [Piece(page, _line(bare, match), "", " ".join(match[1].split())) for match in _SPAN.finditer(bare)]


def links(page: str) -> list[Piece]:
    """Targets of the relative links of a page."""
    text = (ROOT / page).read_text()
    found = [Piece(page, _line(text, match), "", match[1]) for match in _LINK.finditer(text)]
    return [piece for piece in found if "://" not in piece.text]


def command_spans() -> list[Piece]:
    """Code spans that are commands with arguments."""
    return [piece for page in PAGES for piece in spans(page) if _is_command(piece.text)]


def yaml_spans() -> list[Piece]:
    """YAML in code spans (`key: value`); spans of one line of a table count as one text."""
    found: dict[tuple[str, int], Piece] = {}
    for piece in (piece for page in PAGES for piece in spans(page) if re.match(r"[a-z_]+: ", piece.text)):
        before = found.get((piece.page, piece.line))
        text = f"{before.text}\n{piece.text}" if before else piece.text
        found[piece.page, piece.line] = Piece(piece.page, piece.line, "yaml", text)
    return list(found.values())


def comment_commands(file: str) -> list[Piece]:
    """Commands in the comments of a config file: in backquotes, or at the end of a line."""
    found = []
    for number, line in enumerate((ROOT / file).read_text().splitlines(), 1):
        comment = line.partition("#")[2]
        texts = [*_SPAN.findall(comment), *re.findall(r": (snakemake .*)$", comment)]
        found += [Piece(file, number, "", text) for text in texts if _is_command(text)]
    return found


def comment_examples(file: str) -> list[tuple[str, tuple[str, ...], Any]]:
    """Examples in the comments of a config file: where they stand, the key they belong to, and their value.

    An example is an indented comment line, or braces with a colon inside; it belongs to the next key.
    """
    found, waiting, outer = [], list[str](), ""
    for number, line in enumerate((ROOT / file).read_text().splitlines(), 1):
        comment = re.match(r"\s*# ?(.*)", line)
        if comment:
            indented = comment[1].startswith("  ")
            waiting += [comment[1]] if indented else re.findall(r"\{[^{}]*:(?:[^{}]|\{[^{}]*\})*\}", comment[1])
            continue
        key = re.match(r"( *)([a-z_]+):", line)
        if not key:
            continue
        path = (outer, key[2]) if key[1] else (key[2],)
        outer = outer if key[1] else key[2]
        found += [(f"{file}:{number}", path, yaml.safe_load(text)) for text in waiting]
        waiting = []
    return found


def _is_command(text: str) -> bool:
    return text.split(maxsplit=1)[0] in COMMANDS and len(text.split()) > 1


def _line(text: str, match: re.Match[str]) -> int:
    return text.count("\n", 0, match.start()) + 1
