"""What lies in a run's folder: sealed records, the files that they are of, and what follows from the scores alone."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from srgrid.errors import SrgridError
from srgrid.records import SELECTION, TABLE_NAMES, TABLES, check_files, file_digest, read_record
from srgrid.report.export import EXPORTS, export
from srgrid.report.grid import grid
from srgrid.report.intervals import intervals
from srgrid.report.tables import run_metrics
from srgrid.verification.found import Finding
from srgrid.verification.versions import same_code

PROVENANCE = "provenance.json"
_AGAIN = "take it from where the run was made, or run it again"


def read_run(run_dir: Path) -> tuple[dict[str, Any], dict[str, Any], list[Finding]]:
    """The two records that bind a run, tables.json and provenance.json, and what is wrong with them.

    An edited one is returned empty, and stands among the findings. Raises SrgridError if one is not there, or a table.
    """
    for name in (TABLES, PROVENANCE, *TABLE_NAMES):
        if not (run_dir / name).is_file():
            raise SrgridError(f"{run_dir / name} does not exist; give the folder of a finished run")
    records, found = {}, []
    for name, kind in ((TABLES, "tables"), (PROVENANCE, "provenance")):
        try:
            records[name] = read_record(run_dir / name, kind, _AGAIN)
        except SrgridError as error:
            records[name] = {}
            found.append(Finding(name, "differs", _without(run_dir, error)))
    tables, provenance = records[TABLES], records[PROVENANCE]
    if tables and provenance and any(tables["sha256"].get(k) != v for k, v in provenance["outputs"].items()):
        found.append(Finding(PROVENANCE, "differs", "was written for other tables than those beside it"))
    return tables, provenance, found


def check_run_files(
    run_dir: Path, tables: Mapping[str, Any], provenance: Mapping[str, Any], room: Path
) -> Iterator[Finding]:
    """Every file against the record of its digest, and the tables that follow from scores.csv against these made again.

    room: an empty folder.
    """
    edited = [name for name in TABLE_NAMES if file_digest(run_dir / name) != tables["sha256"].get(name)]
    for name in edited:
        yield Finding(name, "differs", "edited since it was made")
    if "scores.csv" not in edited:
        yield Finding("scores.csv", "equal", "as it was made")
    yield from _from_scores(run_dir, tables, room, edited)
    yield from _recorded(run_dir)
    yield from _exports(run_dir, room, same_code(provenance, "grid") and same_code(provenance, "card"))


def _from_scores(run_dir: Path, tables: Mapping[str, Any], room: Path, edited: list[str]) -> Iterator[Finding]:
    makers: dict[str, Callable[..., None]] = {"grid.csv": grid, "intervals.csv": intervals}
    for name, make in makers.items():
        try:
            make(run_dir / "scores.csv", room / name, run_metrics(tables))
        except SrgridError as error:
            yield Finding(name, "differs", f"cannot follow from its scores: {_without(run_dir, error)}")
            continue
        if apart := first_difference(run_dir / name, room / name):
            yield Finding(name, "differs", f"does not follow from scores.csv: {apart}")
        elif name not in edited:
            yield Finding(name, "equal", "follows from scores.csv")


def _recorded(run_dir: Path) -> Iterator[Finding]:
    """Files that have a record of their digest beside them: of the audit, the costs, what is drawn."""
    figures = [path for path in (run_dir / "figures").glob("*.json") if not path.name.endswith(SELECTION)]
    groups = {
        "audit": [run_dir / "audit.json"],
        "costs": [run_dir / "costs.json"],
        "figure": figures,
        "selection": list((run_dir / "figures").glob(f"*{SELECTION}")),
        "previews": list((run_dir / "previews").glob("*/previews.json")),
    }
    for kind, paths in groups.items():
        there, faults = [path for path in sorted(paths) if path.is_file()], []
        for path in there:
            try:
                record = read_record(path, kind, _AGAIN)
                listed = {n: d for n, d in record.get("sha256", {}).items() if not n.endswith(".pdf")}
                check_files(path.parent, listed, _AGAIN)
            except SrgridError as error:
                faults.append(_without(run_dir, error))
        what = {"figure": "files of figures", "selection": "selections"}.get(kind, f"files of {kind}")
        yield from (Finding(what, "differs", fault) for fault in faults)
        if there and not faults:
            yield Finding(what, "equal", "as they were made")


def _exports(run_dir: Path, room: Path, same: bool) -> Iterator[Finding]:
    """Tables for papers. same: made by this code; by another, their form may differ, their numbers not."""
    there = [name for name in EXPORTS if (run_dir / name).is_file()]
    if not there:
        return
    copy = room / "export"
    copy.mkdir()
    for name in (*TABLE_NAMES, TABLES, PROVENANCE):
        shutil.copy(run_dir / name, copy)
    try:
        export(copy)
    except SrgridError as error:
        yield Finding(", ".join(there), "cannot be checked", _without(copy, error))
        return
    for name in there:
        apart = first_difference(run_dir / name, copy / name)
        if not apart:
            yield Finding(name, "equal", "follows from the tables")
        elif same or _numbers(run_dir / name) != _numbers(copy / name):
            yield Finding(name, "differs", apart)
        else:
            yield Finding(name, "other version", f"the same numbers in another form: {apart}")


def _numbers(file: Path) -> list[str]:
    return re.findall(r"\d+\.\d+", file.read_text(encoding="utf-8", errors="replace"))


def first_difference(there: Path, made: Path) -> str:
    """The first line in which a file differs from the same one made again; empty if none does."""
    old, new = (path.read_bytes() for path in (there, made))
    if old == new:
        return ""
    lines = [text.decode("utf-8", "replace").splitlines() for text in (old, new)]
    for number in range(max(map(len, lines))):
        first, second = (text[number] if number < len(text) else "nothing" for text in lines)
        if first != second:
            return f"line {number + 1} is {_short(first)}, made again {_short(second)}"
    return "other bytes, such as line ends"


def _short(line: str) -> str:
    return repr(line if len(line) <= 100 else f"{line[:100]}...")


def _without(folder: Path, error: SrgridError) -> str:
    return str(error).replace(f"{folder}/", "")
