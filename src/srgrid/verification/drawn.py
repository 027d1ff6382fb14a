"""Figures, previews and the card of a run, made again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from srgrid.errors import SrgridError
from srgrid.records import TABLE_NAMES, TABLES, file_digest
from srgrid.report.card import build_card
from srgrid.report.cardcheck import check_card
from srgrid.verification.cells import Remake
from srgrid.verification.found import Finding
from srgrid.verification.tables import first_difference
from srgrid.verification.versions import same_code

CARD, PAGE = "model_card.md", "model_card.html"


def compare_drawn(run: Remake, provenance: Mapping[str, Any], name: str, scale: int) -> Iterator[Finding]:
    """A cell's figure and previews, drawn again of the SR images that were made again."""
    there = run.run_dir / "figures" / f"{name}_x{scale}.png"
    if not there.is_file():
        return
    what = f"figure {there.name}"
    if (name, scale) in run.moved:
        yield Finding(what, "not sampled", "its SR images are not the same to every pixel here")
        return
    run.results.mkdir(exist_ok=True)
    for table in (*TABLE_NAMES, TABLES):
        shutil.copy(run.run_dir / table, run.results)
    try:
        run.draw(name, scale)
    except SrgridError as error:
        yield Finding(what, "cannot be checked", str(error))
        return
    made = run.results / "figures" / there.name
    pairs = [(there, made)]
    previews = run.run_dir / "previews" / made.stem
    pairs += [(file, run.results / "previews" / made.stem / file.name) for file in sorted(previews.glob("*.webp"))]
    other = [old.name for old, new in pairs if not new.is_file() or file_digest(old) != file_digest(new)]
    drawn = f"with {len(pairs) - 1} previews" if len(pairs) > 1 else ""
    if not other:
        yield Finding(what, "equal", drawn)
    elif same_code(provenance, "figure"):
        yield Finding(what, "differs", f"{', '.join(other)} drawn again has other bytes")
    else:
        yield Finding(what, "other version", f"{', '.join(other)} drawn again by this version has other bytes")


def compare_card(run_dir: Path, provenance: Mapping[str, Any], room: Path) -> Iterator[Finding]:
    """The card and its page against what the tables give; room: an empty folder.

    Made by this code, they are the same to the byte. Made by another, every number of the card's grid and model-index
    is the run's.
    """
    if not (run_dir / CARD).is_file() and not (run_dir / PAGE).is_file():
        return
    templates = str(provenance["config"].get("templates") or "")
    try:
        build_card(run_dir, out_md=room / CARD, out_html=room / PAGE, templates=Path(templates) if templates else None)
        checked = check_card(run_dir / CARD, run_dir) if (run_dir / CARD).is_file() else None
    except SrgridError as error:
        yield Finding(CARD, "cannot be checked", str(error).replace(f"{run_dir}/", ""))
        return
    for fault in checked.wrong if checked else ():
        yield Finding(CARD, "differs", fault)
    for name in (CARD, PAGE):
        if not (run_dir / name).is_file() or (name == CARD and checked and checked.wrong):
            continue
        apart = first_difference(run_dir / name, room / name)
        if not apart:
            yield Finding(name, "equal", "follows from the tables")
        elif same_code(provenance, "card"):
            yield Finding(name, "differs", apart)
        else:
            numbers = f"the same {checked.compared} numbers, other words: " if checked and name == CARD else ""
            yield Finding(name, "other version", numbers + apart)
