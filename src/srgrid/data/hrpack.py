"""The HR images of a training set, decoded once into one memory-mappable file that the packs of all scales share.

A file of `srgrid.data.packfile`, of kind `SRPACKH\\n`: the samples of the whole images one after another, H x W x 3,
rows first. Grey images are stored as three equal channels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from srgrid.data import packfile
from srgrid.data.packfile import Array
from srgrid.errors import SrgridError
from srgrid.files import keep_apart
from srgrid.made import ImageFolder, open_images
from srgrid.progress import track

MAGIC = b"SRPACKH\n"
_WHAT = "file of HR images"
_HOW = "srgrid pack-hr"


@dataclass(frozen=True)
class HrEntry:
    """One image: height x width x 3, from byte `offset` of the samples on."""

    name: str
    height: int
    width: int
    offset: int

    @property
    def size(self) -> int:
        """Bytes."""
        return 3 * self.height * self.width


class HrPack:
    """An open file of HR images: a read-only memory map of its samples, and where each image lies in it."""

    def __init__(self, path: Path, manifest: dict[str, Any], entries: list[HrEntry], start: int) -> None:
        self.path = path
        self.digest = str(manifest["sha256"])
        self.entries = entries
        self._start = start
        self.samples = packfile.map_samples(path, start, int(manifest["bytes"]), _WHAT)

    @classmethod
    def open(cls, path: Path) -> HrPack:
        """Map a file of HR images. Raises SrgridError if it is missing or torn; `images` verifies its samples."""
        _, manifest, start = packfile.read_head(path, (MAGIC,), _WHAT, _HOW)
        entries = _entries(manifest)
        if entries is None:
            raise packfile.damaged(path, _WHAT)
        return cls(path, manifest, entries, start)

    def images(self) -> Iterator[tuple[str, Array]]:
        """Name and samples of every image. Raises SrgridError at the end if any sample is not as it was packed.

        They are read, not mapped: a map of the whole file would count as this process's memory.
        """
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            file.seek(self._start)
            for entry in self.entries:
                image = np.fromfile(file, np.uint8, entry.size).reshape(entry.height, entry.width, 3)
                digest.update(image.data)
                yield entry.name, image
        if digest.hexdigest() != self.digest:
            raise SrgridError(f"{self.path}: damaged {_WHAT} (wrong digest); delete it and pack it again")


def pack_hr(hr_dirs: list[Path], out: Path) -> None:
    """Write the images of `hr_dirs` (in the order given, each sorted by name) as one file, atomically.

    The same images always give the same bytes. Raises SrgridError for unreadable images.
    """
    folders = open_folders(hr_dirs, out)

    def fill(target: IO[bytes]) -> dict[str, Any]:
        entries: list[HrEntry] = []
        digest, offset = hashlib.sha256(), 0
        for name, image in decoded(folders):
            entries.append(HrEntry(name, image.shape[0], image.shape[1], offset))
            digest.update(image.data)
            target.write(image.data)
            offset += image.size
        return _manifest(entries, digest.hexdigest(), offset)

    most = packfile.LARGEST
    outline = _manifest([HrEntry(name, most, most, most) for name in names(folders)], "0" * 64, most)
    packfile.write(out, MAGIC, outline, fill)


def open_folders(hr_dirs: list[Path], out: Path) -> list[ImageFolder]:
    """Folders of HR images that `out` is made from. Raises SrgridError if it lies among them."""
    if not hr_dirs:
        raise SrgridError("pack: no folder of HR images given")
    folders = [open_images(folder) for folder in hr_dirs]
    keep_apart(out, *hr_dirs, *(file for folder in folders for file in folder.files.values()))
    return folders


def names(folders: list[ImageFolder]) -> list[str]:
    """What a pack calls the images of folders: SET/STEM."""
    return [_name(file) for folder in folders for file in folder.files.values()]


def decoded(folders: list[ImageFolder]) -> Iterator[tuple[str, Array]]:
    """Name and samples, H x W x 3, of every image of folders."""
    files = [(folder, file) for folder in folders for file in folder.files.values()]
    for folder, file in track(files, "pack", len(files)):
        image = folder.read(file)
        if image.ndim == 2:
            image = np.repeat(image[..., None], 3, axis=2)
        yield _name(file), np.ascontiguousarray(image)


def _name(file: Path) -> str:
    return f"{(file.parent.parent if file.parent.name == 'HR' else file.parent).name}/{file.stem}"


def _manifest(entries: list[HrEntry], digest: str, size: int) -> dict[str, Any]:
    return {
        "sha256": digest,
        "bytes": size,
        "grey": "stored as 3 equal channels",
        "images": [asdict(entry) for entry in entries],
    }


def _entries(manifest: dict[str, Any]) -> list[HrEntry] | None:
    """The images of a manifest; None unless they lie one after another and fill the samples exactly."""
    try:
        entries, end = [HrEntry(**entry) for entry in manifest["images"]], 0
        if not entries or not isinstance(manifest["sha256"], str):
            return None
        for entry in entries:
            numbers = packfile.are_counts(entry.height, entry.width, entry.offset)
            if not (isinstance(entry.name, str) and numbers and entry.size > 0 and entry.offset == end):
                return None
            end += entry.size
        return entries if packfile.are_counts(manifest["bytes"]) and end == manifest["bytes"] else None
    except (KeyError, TypeError):
        return None
