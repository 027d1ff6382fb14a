"""The weights of a run's columns, found where the run had them, and known by their digest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from srgrid.errors import SrgridError
from srgrid.models.entry import Entry
from srgrid.models.find import folder, locate
from srgrid.provenance import weights_record
from srgrid.verification.found import Finding


def find_weights(record: Mapping[str, Any], run_dir: Path, rgb_range: float | None) -> tuple[str, Finding]:
    """What to load for a column, empty if it cannot be, and whether it is what the run used.

    record: an entry of provenance.json's `weights`. What lies at the recorded place decides; only where nothing does,
    files of its name are looked for in the run's weights/ and among the shipped ones.
    """
    what = f"weights of {record['method']} x{record['scale']}"
    used = str(record.get("sha256", ""))
    place = next((place for place in _places(record, run_dir) if _there(place)), None)
    if place is None:
        said = record.get("path", record["file"])
        return "", Finding(what, "cannot be checked", f"{said} is not here; bring the file with sha256 {used[:12]}...")
    try:
        found = weights_record(locate(place, int(record["scale"])), rgb_range, int(record["scale"]))["sha256"]
    except SrgridError as error:
        return "", Finding(what, "differs", str(error))
    if found != used:
        return "", Finding(what, "differs", f"{place} has sha256 {found[:12]}..., the run used {used[:12]}...")
    return place, Finding(what, "equal", f"{place}, sha256 {used[:12]}...")


def _places(record: Mapping[str, Any], run_dir: Path) -> Iterator[str]:
    named, file = str(record.get("path") or record["file"]), str(record["file"])
    if entry := Entry.of(named):
        yield str(entry.under(folder().parent))
        return
    yield from map(str, (named, folder().parent / named, run_dir / "weights" / file, folder() / file))


def _there(place: str) -> bool:
    entry = Entry.of(place)
    try:
        return bool(entry.files()) if entry else Path(place).exists()
    except SrgridError:
        return False
