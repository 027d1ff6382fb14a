"""Write docs/reliability.md: the faults that the tests try, one row a test, from the tests' own names and docstrings.

python tools/reliability.py
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from srgrid.files import staged_file

ROOT = Path(__file__).resolve().parent.parent
TESTS, PAGE = ROOT / "tests", ROOT / "docs/reliability.md"

# Whole files of faults, and tests of faults that stand among others of their subject.
FILES = ("silence/test_*.py", "faults/test_*.py", "workflow/test_gates.py", "train/test_checkpoint.py")
AMONG_OTHERS = {
    "workflow/test_workflow.py": ("killed", "refused", "damaged", "wrong_config"),
    "train/test_loop.py": ("interrupted", "killed", "divergence", "finished_state"),
    "data/test_fetching.py": ("fault", "wrong"),
    "data/test_pack.py": ("damage", "bad_image"),
    "data/test_hub.py": ("damaged",),
    "models/test_foreign.py": ("bad_checkpoints", "never_runs"),
    "models/test_weights.py": ("torn", "do_not_fit"),
    "report/test_card.py": ("never_markup", "stale_or_damaged"),
    "test_bench.py": ("fails", "stopped", "full_disk", "wrong_images", "not_written_among"),
    "browser/test_page.py": ("never_executed",),
}

HEAD = """\
# Faults that were tried

srgrid promises that nothing wrong passes in silence: a command ends in its result, or with status 2 and one message
that names the file or key and says what to do; it leaves its earlier output, or none. This page lists what that promise
was tried against: kills, full disks, damage, hostile input, races. `tools/reliability.py` writes it from the tests, one
row a test, and a test fails where the two differ.
"""

FUZZ = """\
## Damaged input for every reader

`tests/fuzz` damages valid files, made by srgrid's own writers, by seeded mutations: flipped bits, truncation, doubled
and spliced parts, sizes at the edge of their type, other numbers and words, other types and shapes of JSON values,
hostile names. A reader has to end in its result or in such a message, within 20 s and 400 MiB. Where a digest guards a
file, the result has to be that of the undamaged one. The tests feed each reader the number of inputs below; `make fuzz`
goes on for `SRGRID_FUZZ_SECONDS` (an hour) from `SRGRID_FUZZ_SEED` on.

| reader | inputs | guarded by a digest |
|---|---|---|
"""


def main() -> None:
    with staged_file(PAGE) as staged:
        staged.write_text(page())


def page() -> str:
    """The text of docs/reliability.md."""
    parts = [HEAD, *(section(file) for file in files())]
    rows = [row for file, words in AMONG_OTHERS.items() for row in _rows(TESTS / file, words)]
    return "\n".join([*parts, _table("Among the tests of other things", "", rows), fuzz()])


def files() -> list[Path]:
    return [file for pattern in FILES for file in sorted(TESTS.glob(pattern))]


def section(file: Path) -> str:
    """The faults of one file of tests."""
    about = ast.get_docstring(ast.parse(file.read_text())) or ""
    name = file.relative_to(TESTS).as_posix()
    return _table(f"tests/{name}", about.partition("\n\n")[0].replace("\n", " "), list(_rows(file)))


def _rows(file: Path, words: tuple[str, ...] = ("",)) -> Iterator[tuple[str, str]]:
    """Name and plain words of the tests of a file whose names hold one of the words."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and _has(node.name, words):
            about = (ast.get_docstring(node) or "").partition("\n\n")[0]
            yield node.name, " ".join(about.split()) or _plain(node.name)


def _has(name: str, words: tuple[str, ...]) -> bool:
    return any(word in name for word in words)


def _plain(name: str) -> str:
    text = re.sub(r"^test_(\d+_)?", "", name).replace("_", " ")
    return text[0].upper() + text[1:]


def _table(title: str, about: str, rows: list[tuple[str, str]]) -> str:
    assert rows, title
    cells = [f"| {_cell(words)} | `{name}` |" for name, words in rows]
    return "\n".join([f"## {title}\n", *([f"{about}\n"] if about else []), "| tried | test |", "|---|---|", *cells, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").rstrip(".")


def fuzz() -> str:
    """The readers that are fuzzed."""
    sys.path.insert(0, str(TESTS / "fuzz"))
    from readers import READERS

    rows = (f"| {reader.name} | {reader.count:,} | {'yes' if reader.same else ''} |" for reader in READERS)
    return FUZZ + "\n".join(rows) + "\n"


if __name__ == "__main__":
    main()
