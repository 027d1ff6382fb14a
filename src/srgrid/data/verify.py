"""Say of every image in a folder which benchmark image it is, by its pixels."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from srgrid import images
from srgrid.data import registry, sources
from srgrid.data.recognise import Catalogue
from srgrid.errors import SrgridError
from srgrid.files import MANIFEST, read_manifest, staged_file
from srgrid.names import printable, stem
from srgrid.progress import track

STATUSES = ("exact", "larger", "cropped", "changed", "resized", "misnamed", "unknown", "unreadable")


@dataclass(frozen=True)
class Row:
    """One file: what it was recognised as. `status` is one of STATUSES; see recognise.Match for most.

    misnamed: exact or larger, but the file's name is that of another image of the same set. unreadable: no 8-bit
    image can be read from the file; `detail` says why.
    """

    file: str  # relative to the folder
    status: str
    dataset: str = ""
    image: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Found:
    """What a folder holds. `missing` maps each data set that it holds whole images of to the images it lacks."""

    folder: str
    wanted: str | None  # the data set asked for, if one was
    rows: tuple[Row, ...]
    missing: Mapping[str, tuple[str, ...]]

    @property
    def counts(self) -> dict[str, int]:
        """Number of files of each status that occurs."""
        counted = Counter(row.status for row in self.rows)
        return {status: counted[status] for status in STATUSES if counted[status]}


def verify_dir(
    folder: str | os.PathLike[str],
    dataset: str | None = None,
    *,
    extra: Mapping[str, Any] | None = None,
    threads: int | None = None,
) -> Found:
    """Recognise every image under `folder` (any format, names and layout) among all known data sets, or one.

    Of a data set without digests only this can be said: whether a fetched folder still is what its manifest says.
    Raises SrgridError if there is no such folder or no image in it, or if nothing is known of `dataset`'s pixels.
    """
    root = Path(folder)
    if not root.is_dir():
        raise SrgridError(f"{root}: there is no such folder")
    files = list(sources.all_images(root))
    if not files:
        raise SrgridError(f"{root}: holds no images")
    made_here = (root / MANIFEST).exists()
    entries = _known_sets(dataset, extra, made_here)
    catalogue = Catalogue(entries.values())
    noted = read_manifest(root) if dataset and not entries else {}
    recognise = partial(_as_noted, noted=noted) if noted else partial(_row, catalogue=catalogue, entries=entries)
    with ThreadPoolExecutor(threads or min(4, os.cpu_count() or 1)) as pool:
        made = pool.map(lambda file: recognise(file, root), files)
        rows = tuple(track(made, f"verify {root.name}", total=len(files)))
    lost = _lost(root, noted) if noted else _missing(rows, entries, dataset)
    return Found(str(root), dataset, rows, lost)


def _known_sets(dataset: str | None, extra: Mapping[str, Any] | None, made_here: bool) -> dict[str, registry.Dataset]:
    """The sets to recognise; none if digests are lacking, which is an error unless there is a manifest to go by."""
    known = registry.load_registry(extra)
    if dataset is None:
        return {name: entry for name, entry in known.items() if entry.known}
    if dataset not in known and made_here:
        return {}
    chosen = {name: registry.get(name, extra) for name in registry.get(dataset, extra).parts or (dataset,)}
    unknown = [name for name, entry in chosen.items() if not entry.known]
    if unknown and not made_here:
        raise SrgridError(f"{', '.join(unknown)}: no digests are known, so its images cannot be recognised")
    return {} if unknown else chosen


def _as_noted(file: Path, root: Path, noted: Mapping[str, Any]) -> Row:
    """A file compared with its entry in the folder's manifest."""
    shown = file.relative_to(root).as_posix()
    dataset = str(noted["made_by"].get("dataset", ""))
    if shown not in noted["files"]:
        return Row(shown, "unknown", detail="not in the manifest")
    try:
        same = images.pixel_digest(images.read(file)) == noted["files"][shown]["sha256"]
    except SrgridError as error:
        return Row(shown, "unreadable", detail=str(error).removeprefix(f"{file}: "))
    detail = "as fetched; no digests are known" if same else "other pixels than when it was fetched"
    return Row(shown, "exact" if same else "changed", dataset, stem(file), detail)


def _lost(root: Path, noted: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    gone = tuple(Path(name).stem for name in sorted(noted["files"]) if not (root / name).exists())
    return {str(noted["made_by"].get("dataset", root.name)): gone}


def _row(file: Path, root: Path, catalogue: Catalogue, entries: Mapping[str, registry.Dataset]) -> Row:
    shown = file.relative_to(root).as_posix()
    try:
        match = catalogue.match(images.read(file))
    except SrgridError as error:
        return Row(shown, "unreadable", detail=str(error).removeprefix(f"{file}: "))
    claimed = entries[match.dataset].image_of(stem(file)) if match.dataset else ""
    if match.pixels is not None and claimed not in ("", match.image):
        return Row(shown, "misnamed", match.dataset, match.image, f"named as {claimed}")
    return Row(shown, match.how, match.dataset, match.image, match.detail)


def _missing(
    rows: tuple[Row, ...], entries: Mapping[str, registry.Dataset], dataset: str | None
) -> dict[str, tuple[str, ...]]:
    held: dict[str, set[str]] = {name: set() for name in entries} if dataset else {}
    for row in rows:
        if row.status in ("exact", "larger"):
            held.setdefault(row.dataset, set()).add(row.image)
    return {
        name: tuple(image for image in entry.image_names if image not in held[name])
        for name, entry in entries.items()
        if name in held
    }


def lines(found: Found) -> Iterator[str]:
    """What was found, as text: a line a file, then a line a data set, then the counts."""
    files = [printable(row.file) for row in found.rows]
    width = max(map(len, files))
    for file, row in zip(files, found.rows, strict=True):
        what = f"{row.dataset}/{row.image}" if row.image else ""
        yield f"{file:<{width}}  {row.status:<10} {what}{': ' if what and row.detail else ''}{row.detail}".rstrip()
    for name, missing in found.missing.items():
        lacks = f"lacks {len(missing)}: {', '.join(missing[:8])}{', ...' if len(missing) > 8 else ''}"
        yield f"{name}: {lacks if missing else 'complete'}"
    yield f"{len(found.rows)} images: " + ", ".join(f"{count} {status}" for status, count in found.counts.items())


def write_report(found: Found, out: str | os.PathLike[str]) -> None:
    """Write what was found as JSON, atomically."""
    record = {
        "folder": found.folder,
        "dataset": found.wanted,
        "counts": found.counts,
        "missing": {name: list(missing) for name, missing in found.missing.items()},
        "rows": [asdict(row) for row in found.rows],
    }
    with staged_file(Path(out)) as staged:
        staged.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


def require(found: Found) -> None:
    """Raise SrgridError if a file is unreadable or, where a data set was asked for, if the folder is not all of it."""
    wrong = {"unreadable"} if found.wanted is None else {"unreadable", "changed", "misnamed"}
    bad = [f"{row.file}: {row.status}" for row in found.rows if row.status in wrong]
    if found.wanted is not None:
        bad += [f"{image}: missing" for missing in found.missing.values() for image in missing]
    if bad:
        shown = "\n".join(f"  {line}" for line in bad[:20]) + (f"\n  and {len(bad) - 20} more" if len(bad) > 20 else "")
        raise SrgridError(f"{found.folder}: not fit for a benchmark run:\n{shown}")
