"""From where and from what a data set would be fetched now, as one digest: it changes when the files do."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from srgrid.data import registry, sources
from srgrid.data.registry import Dataset
from srgrid.errors import SrgridError

_SAID_ELSEWHERE = ("licence", "citation", "hub", "digest_file")  # of no account for the images, or read below


def fingerprint(name: str, mirror: str | os.PathLike[str] | None, extra: Mapping[str, Any] | None) -> str:
    """A digest (sha256, hex) of where `fetch` would take a data set from and what lies there; no image is opened.

    It covers the registry's entries and digest files of the set and of those it is made from and, of each that has
    files of its own, the folder in the mirror and the name, size and time of every file that `fetch` would consider;
    of a set that the mirror lacks, the package's files or the public hosts' addresses and checksums. `mirror` and
    `extra` are those of `fetch`. Raises SrgridError as `registry.resolve` and `sources.mirror_folder` do, for a folder
    of the mirror without images and for a digest file that cannot be read.
    """
    folder = sources.mirror_folder(mirror)
    entry = registry.resolve(name, folder, extra)
    state = {
        "entries": {one.name: _entry(one) for one in _family(entry, extra)},
        "files": {leaf.entry.name: _files(leaf.entry, folder) for leaf in sources.leaves(entry, extra)},
    }
    return hashlib.sha256(json.dumps(state, sort_keys=True, default=str).encode()).hexdigest()


def _family(entry: Dataset, extra: Mapping[str, Any] | None) -> Iterator[Dataset]:
    """The set and all that it is made from."""
    yield entry
    for other in filter(None, (entry.parent, *entry.parts)):
        yield from _family(registry.get(other, extra), extra)


def _entry(entry: Dataset) -> dict[str, Any]:
    said = {key: value for key, value in asdict(entry).items() if key not in _SAID_ELSEWHERE}
    return said | {"digests": _digest(entry.digest_file)}


def _digest(file: Path | None) -> str | None:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest() if file else None
    except OSError as error:
        raise SrgridError(f"{file}: missing or damaged digest file ({error})") from None


def _files(entry: Dataset, mirror: Path | None) -> Any:
    try:
        origin = sources.at_hand(entry, mirror)
    except sources.PackageMissingError:
        return "package missing"  # the environment that fetches may have it
    if origin is None:
        return "hosts"
    if origin.kind != "mirror":
        return [origin.label, *([file.name, *_stat(file)] for file in origin.files)]
    place = Path(origin.label).resolve()
    return [str(place), *([os.path.relpath(file, origin.label), *_stat(file)] for file in origin.files)]


def _stat(file: Path) -> tuple[int, int]:
    """Size in bytes and time of the last change in ns; of what a link points to."""
    try:
        found = file.stat()
    except OSError:
        return (-1, -1)  # gone since it was listed, or a dangling link: reading it says so
    return (found.st_size, found.st_mtime_ns)
