"""A training set as memory-mappable samples: every HR image and its LR image, decoded and aligned.

Two kinds of `srgrid.data.packfile`. `SRPACK2\\n` holds all of it: for each image HR then LR, uint8, H x W x 3, rows
first; HR is cropped to a multiple of the scale. `SRPACK3\\n` holds the LR images alone and names the file of whole HR
images (`srgrid.data.hrpack`) that the packs of all scales share. Both have one digest, over HR and LR as the first
kind holds them, so that a training set is the same one in either.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from srgrid.data import packfile
from srgrid.data.hrpack import HrPack, decoded, names, open_folders
from srgrid.data.packfile import Array
from srgrid.degrade import DEGRADATIONS, Degradation, get_degradation
from srgrid.errors import SrgridError
from srgrid.files import keep_apart
from srgrid.progress import track
from srgrid.resize import modcrop

MAGIC = b"SRPACK2\n"
SHARING = b"SRPACK3\n"
_WHAT = "training pack"
_HOW = "srgrid pack"


@dataclass(frozen=True)
class Entry:
    """One image of a pack: LR is height x width, HR `scale` times that, in rows of `hr_width` pixels.

    Offsets count bytes from the first sample; those of a shared HR file follow the pack's own.
    """

    name: str
    height: int
    width: int
    hr_offset: int
    lr_offset: int
    hr_width: int


def pack(hr_dirs: list[Path], scale: int, out: Path, degradation: str | Degradation = "matlab") -> None:
    """Write the images of `hr_dirs` (in the order given, each sorted by name) as a pack, atomically.

    HR is cropped to a multiple of `scale` (top-left kept), and LR made from it. The same images always give the same
    bytes. If `hr_dirs` is one file of `srgrid.data.hrpack`, the pack holds LR alone and names that file by its place
    relative to `out`. Raises SrgridError for unreadable images or ones smaller than `scale`.
    """
    chosen = get_degradation(degradation)
    chosen.require_images()
    if len(hr_dirs) == 1 and hr_dirs[0].is_file():
        _pack_lr(hr_dirs[0], scale, out, chosen)
        return
    folders = open_folders(hr_dirs, out)

    def fill(target: IO[bytes]) -> dict[str, Any]:
        entries: list[dict[str, Any]] = []
        digest, offset = hashlib.sha256(), 0
        for name, image in decoded(folders):
            hr, lr = _pair(image, scale, chosen)
            entries.append(_noted(name, lr) | {"hr_offset": offset, "lr_offset": offset + hr.size})
            for part in (hr, lr):
                digest.update(part.data)
                target.write(part.data)
            offset += hr.size + lr.size
        return _manifest(entries, scale, chosen, digest.hexdigest(), offset)

    most = packfile.LARGEST
    largest = {"height": most, "width": most, "hr_offset": most, "lr_offset": most}
    outline = [{"name": name, **largest} for name in names(folders)]
    packfile.write(out, MAGIC, _manifest(outline, scale, chosen, "0" * 64, most), fill)


def _pack_lr(hr_file: Path, scale: int, out: Path, degradation: Degradation) -> None:
    keep_apart(out, hr_file)
    shared = HrPack.open(hr_file)
    place = os.path.relpath(os.path.abspath(hr_file), os.path.dirname(os.path.abspath(out)))
    hr = {"file": place, "sha256": shared.digest}

    def fill(target: IO[bytes]) -> dict[str, Any]:
        entries: list[dict[str, Any]] = []
        digest, offset = hashlib.sha256(), 0
        for name, image in track(shared.images(), "pack", len(shared.entries)):
            cropped, lr = _pair(image, scale, degradation)
            entries.append(_noted(name, lr) | {"lr_offset": offset})
            for part in (cropped, lr):
                digest.update(part.data)
            target.write(lr.data)
            offset += lr.size
        return _manifest(entries, scale, degradation, digest.hexdigest(), offset) | {"hr": hr}

    most = packfile.LARGEST
    outline = [{"name": entry.name, "height": most, "width": most, "lr_offset": most} for entry in shared.entries]
    packfile.write(out, SHARING, _manifest(outline, scale, degradation, "0" * 64, most) | {"hr": hr}, fill)


def _pair(image: Array, scale: int, degradation: Degradation) -> tuple[Array, Array]:
    """HR, cropped, and LR of an image."""
    hr = np.ascontiguousarray(modcrop(image, scale))
    return hr, np.ascontiguousarray(degradation.shrink(hr, scale))


def _noted(name: str, lr: Array) -> dict[str, Any]:
    return {"name": name, "height": lr.shape[0], "width": lr.shape[1]}


def _manifest(
    entries: list[dict[str, Any]], scale: int, degradation: Degradation, digest: str, size: int
) -> dict[str, Any]:
    return {
        "scale": scale,
        "sha256": digest,
        "bytes": size,
        "grey": "stored as 3 equal channels",
        "degradation": degradation.record(),
        "images": entries,
    }


class Pack:
    """An open pack: read-only memory maps of its samples, and where each image lies in them."""

    def __init__(self, path: Path, manifest: dict[str, Any], entries: list[Entry], maps: tuple[Array, ...]) -> None:
        self.path = path
        self.scale = int(manifest["scale"])
        self.digest = str(manifest["sha256"])
        self.degradation: dict[str, Any] = manifest.get("degradation", DEGRADATIONS["matlab"].record())
        self.entries = entries
        self.maps = maps  # the pack's own samples, then those of a shared HR file

    @classmethod
    def open(cls, path: str | Path, verify: bool = True) -> Pack:
        """Map a pack, and the HR file that it shares. Raises SrgridError if one is missing, torn, damaged or another.

        Not `verify` trusts the samples.
        """
        path = Path(path)
        magic, manifest, start = packfile.read_head(path, (MAGIC, SHARING), _WHAT, _HOW)
        shared = _hr_file(path, manifest) if magic == SHARING else None
        entries = _entries(manifest, shared)
        if entries is None:
            raise packfile.damaged(path, _WHAT)
        own = packfile.map_samples(path, start, int(manifest["bytes"]), _WHAT)
        opened = cls(path, manifest, entries, (own, shared.samples) if shared else (own,))
        if verify and opened._digest() != opened.digest:
            names = f"{path} or {shared.path}" if shared else path
            raise SrgridError(f"{names}: damaged {_WHAT} (wrong digest); delete it and pack it again")
        return opened

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def nbytes(self) -> int:
        """Bytes of all samples."""
        return sum(part.nbytes for part in self.maps)

    def hr(self, index: int) -> Array:
        """HR image `index` as a view, (scale * height) x (scale * width) x 3."""
        entry = self.entries[index]
        rows = self._rows(entry.hr_offset, entry.height * self.scale, entry.hr_width)
        return rows[:, : entry.width * self.scale]

    def lr(self, index: int) -> Array:
        """LR image `index` as a view, height x width x 3."""
        entry = self.entries[index]
        return self._rows(entry.lr_offset, entry.height, entry.width)

    def pairs(self) -> Iterator[tuple[str, Array, Array]]:
        """Name, HR and LR of every image."""
        for index, entry in enumerate(self.entries):
            yield entry.name, self.hr(index), self.lr(index)

    def _rows(self, offset: int, height: int, width: int) -> Array:
        own = len(self.maps[0])
        samples, first = (self.maps[0], offset) if offset < own else (self.maps[1], offset - own)
        return samples[first : first + 3 * height * width].reshape(height, width, 3)

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for _, hr, lr in self.pairs():
            digest.update(np.ascontiguousarray(hr).data)
            digest.update(lr.data)
        return digest.hexdigest()


def _hr_file(path: Path, manifest: dict[str, Any]) -> HrPack:
    """The HR file that a pack names. Raises SrgridError if it is missing, torn or another one."""
    named = manifest.get("hr")
    if not isinstance(named, dict) or not isinstance(named.get("file"), str):
        raise packfile.damaged(path, _WHAT)
    try:
        shared = HrPack.open(path.parent / named["file"])
    except SrgridError as error:
        raise SrgridError(f"{path}: its HR images: {error}") from None
    if shared.digest != named.get("sha256"):
        raise SrgridError(f"{path}: was made from other images than {shared.path} holds; pack it again")
    return shared


def _entries(manifest: dict[str, Any], shared: HrPack | None) -> list[Entry] | None:
    """The images of a manifest; None unless they lie one after another, HR before LR, and fill the samples exactly."""
    try:
        scale, size = manifest["scale"], manifest["bytes"]
        named = manifest.get("degradation", {"name": "matlab", "steps": []})  # earlier packs knew this one alone
        good = packfile.are_counts(scale, size) and scale > 0 and isinstance(manifest["sha256"], str)
        good = good and isinstance(named["name"], str) and isinstance(named["steps"], list)
        if not good or not manifest["images"]:
            return None
        entries = _beside(manifest, shared) if shared else _within(manifest)
        end = 0
        for entry in entries:
            numbers = packfile.are_counts(entry.height, entry.width, entry.hr_offset, entry.lr_offset)
            if not numbers or not isinstance(entry.name, str) or not entry.height * entry.width:
                return None
            hr_size = 0 if shared else 3 * scale**2 * entry.height * entry.width
            if entry.lr_offset != end + hr_size or not (shared or entry.hr_offset == end):
                return None
            end = entry.lr_offset + 3 * entry.height * entry.width
        return entries if end == size else None
    except (KeyError, TypeError, AttributeError, ValueError):
        return None


def _within(manifest: dict[str, Any]) -> list[Entry]:
    """The images of a pack that holds HR itself."""
    entries = [Entry(**entry, hr_width=0) for entry in manifest["images"]]
    return [replace(entry, hr_width=entry.width * manifest["scale"]) for entry in entries]


def _beside(manifest: dict[str, Any], shared: HrPack) -> list[Entry]:
    """The images of a pack whose HR ones, whole, are in a file that it shares; of others, ValueError."""
    scale, entries = manifest["scale"], []
    for noted, hr in zip(manifest["images"], shared.entries, strict=True):
        entry = Entry(**noted, hr_offset=manifest["bytes"] + hr.offset, hr_width=hr.width)
        if (entry.name, entry.height, entry.width) != (hr.name, hr.height // scale, hr.width // scale):
            raise ValueError(entry.name)
        entries.append(entry)
    return entries
