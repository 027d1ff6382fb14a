"""Where a data set's files are: in an installed package, in a mirror, or in a downloaded archive."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from srgrid import images
from srgrid.data.registry import Dataset, Source
from srgrid.errors import SrgridError
from srgrid.names import left_out, taken


@dataclass(frozen=True)
class Origin:
    """Files that should hold a data set's images."""

    label: str  # for messages: where the files are
    kind: str  # mirror, package or archive: for manifests, the same on every machine
    files: tuple[Path, ...]
    strict: bool  # every file must be an image of the set, and not under another image's name


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
            return Origin(str(folder / "HR"), "mirror", tuple(images.list_images(folder / "HR")), strict=True)
    for folder in folders if entry.known else []:
        files = tuple(all_images(folder))
        if files:
            return Origin(str(folder), "mirror", files, strict=False)
    return None


def in_package(source: Source) -> Origin:
    """The files of a package source. Raises as `package_files`."""
    return Origin(source.label, source.label, tuple(package_files(source)), strict=True)


def package_files(source: Source) -> list[Path]:
    """The files of a package source, found without importing the package.

    Raises SrgridError if the package is not installed or ships no such file.
    """
    spec = importlib.util.find_spec(source.package)
    if spec is None or not spec.submodule_search_locations:
        raise SrgridError(f"the Python package {source.package} is not installed; install it to get these images")
    folder = Path(next(iter(spec.submodule_search_locations))) / source.folder
    files = [folder / name for name in source.files]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise SrgridError(f"the installed package {source.package} ships no {', '.join(missing)}; update the package")
    return files


def all_images(folder: Path) -> Iterator[Path]:
    """Every image file in a folder and its subfolders, sorted, hidden ones aside; also those that cannot be read."""
    for file in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if not hidden and not file.is_dir() and (taken(file) or left_out(file)):
            yield file
