"""Where a data set's files are: in a mirror, in an installed package, or in a downloaded archive."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from srgrid import images
from srgrid.data import registry
from srgrid.data.registry import Dataset, Source
from srgrid.errors import SrgridError
from srgrid.names import left_out, taken

Steps = tuple[tuple[str, Fraction], ...]


@dataclass(frozen=True)
class Leaf:
    """A set that has files of its own, what to do to its images, and what to put before their names."""

    entry: Dataset
    steps: Steps = ()
    prefix: str = ""


@dataclass(frozen=True)
class Origin:
    """Files that should hold a data set's images."""

    label: str  # for messages: where the files are
    kind: str  # mirror, package or archive: for manifests, the same on every machine
    files: tuple[Path, ...]
    strict: bool  # every file must be an image of the set, and not under another image's name
    unpacked: bool = False  # made for this fetch: each file goes when it was taken, so that no image is held twice


class PackageMissingError(SrgridError):
    """A package that should hold images is not installed, or ships others."""


def leaves(entry: Dataset, extra: Mapping[str, Any] | None, steps: Steps = (), prefix: str = "") -> Iterator[Leaf]:
    """The sets with files of their own that a variant or a composed set is made of; a plain set itself."""
    if entry.parts:
        for part in entry.parts:
            yield from leaves(registry.get(part, extra), extra, steps, f"{prefix}{part}_")
    elif entry.parent:
        yield from leaves(registry.get(entry.parent, extra), extra, entry.steps + steps, prefix)
    else:
        yield Leaf(entry, steps, prefix)


def at_hand(entry: Dataset, mirror: Path | None) -> Origin | None:
    """Where a plain set's files are on this machine: the mirror, if it has the set, else a package; None: neither.

    Raises SrgridError if the mirror's folder holds no images or what is no file, and PackageMissingError if the
    package is not installed and no host is named beside it.
    """
    origin = in_mirror(entry, mirror) if mirror else None
    if origin is None and entry.sources and entry.sources[0].kind == "package":
        try:
            return in_package(entry.sources[0])
        except PackageMissingError:
            if not any(source.kind == "archive" for source in entry.sources):
                raise
    return origin


def mirror_folder(mirror: str | os.PathLike[str] | None) -> Path | None:
    """The mirror to use: the argument, else SRGRID_MIRROR, else none. Raises SrgridError if it is not a folder."""
    chosen = mirror or os.environ.get("SRGRID_MIRROR")
    if not chosen:
        return None
    folder = Path(chosen)
    if not folder.is_dir():
        raise SrgridError(
            f"mirror {folder}: there is no such folder; give one laid out NAME/HR/*, or unset SRGRID_MIRROR"
        )
    return folder


def in_mirror(entry: Dataset, mirror: Path) -> Origin | None:
    """A data set's files in a mirror: NAME/HR/*, else any layout under NAME (or another of its names); else None.

    In another layout files are recognised by their pixels alone, so it is tried only if digests are known.
    """
    folders = [mirror / name for name in (entry.name, *entry.aliases)]
    for folder in folders:
        if (folder / "HR").is_dir():
            files = tuple(images.list_images(folder / "HR"))
            _refuse_others(files)
            return Origin(str(folder / "HR"), "mirror", files, strict=True)
    for folder in folders if entry.known else []:
        files = tuple(all_images(folder))
        if files:
            return Origin(str(folder), "mirror", files, strict=False)
    return None


def _refuse_others(files: tuple[Path, ...]) -> None:
    """Reading a pipe would wait for ever."""
    if others := [file for file in files if not file.is_file()]:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise SrgridError(f"{others[0]}{more}: no plain file (a folder, a pipe or a dangling link); take it away")


def in_package(source: Source) -> Origin:
    """The files of a package source. Raises as `package_files`."""
    return Origin(source.label, source.label, tuple(package_files(source)), strict=True)


def package_files(source: Source) -> list[Path]:
    """The files of a package source, found without importing the package.

    Raises PackageMissingError if the package is not installed or ships no such file.
    """
    top, *below = source.package.split(".")  # the spec of a submodule would import its parent
    spec = importlib.util.find_spec(top)
    if spec is None or not spec.submodule_search_locations:
        raise PackageMissingError(
            f"the Python package {source.package} is not installed; install it to get these images"
        )
    folder = Path(next(iter(spec.submodule_search_locations)), *below, source.folder)
    files = [folder / name for name in source.files]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise PackageMissingError(
            f"the installed package {source.package} ships no {', '.join(missing)}; update the package"
        )
    return files


def all_images(folder: Path) -> Iterator[Path]:
    """Every image file in a folder and its subfolders, sorted, hidden ones aside; also those that cannot be read."""
    for file in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if not hidden and not file.is_dir() and (taken(file) or left_out(file)):
            yield file
