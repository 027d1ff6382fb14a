"""A training set as one memory-mappable file: every HR image and its LR image, decoded, aligned, side by side.

Layout: 8 bytes `SRPACK2\\n`, the manifest's length (8 bytes, little endian), its sha256 (32 bytes), the manifest (JSON,
padded with spaces so that all of this is a multiple of 64 bytes), then the samples: for each image HR then LR, uint8,
H x W x 3, rows first. Grey images are stored as three equal channels. Offsets count from the first sample.
"""

from __future__ import annotations

import hashlib
import json
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from srgrid.degrade import DEGRADATIONS, Degradation, get_degradation
from srgrid.errors import SrgridError
from srgrid.files import keep_apart, staged_file
from srgrid.made import ImageFolder, open_images
from srgrid.progress import track
from srgrid.resize import modcrop

Array = npt.NDArray[np.uint8]

MAGIC = b"SRPACK2\n"
_OLD_MAGIC = b"SRPACK1\n"  # had no digest of the manifest: another name or size passed unseen
_START = len(MAGIC) + 8 + 32
_ALIGN = 64
_CHUNK = 1 << 24


@dataclass(frozen=True)
class Entry:
    """One image of a pack: LR is height x width, HR `scale` times that. Offsets count bytes from the first sample."""

    name: str
    height: int
    width: int
    hr_offset: int
    lr_offset: int


def pack(hr_dirs: list[Path], scale: int, out: Path, degradation: str | Degradation = "matlab") -> None:
    """Write the images of `hr_dirs` (in the order given, each sorted by name) as a pack, atomically.

    HR is cropped to a multiple of `scale` (top-left kept), and LR made from it. The same images always give the same
    bytes. Raises SrgridError for unreadable images or ones smaller than `scale`.
    """
    if not hr_dirs:
        raise SrgridError("pack: no folder of HR images given")
    chosen = get_degradation(degradation)
    folders = [open_images(folder) for folder in hr_dirs]
    keep_apart(out, *hr_dirs, *(file for folder in folders for file in folder.files.values()))
    with staged_file(out) as staged, tempfile.TemporaryFile(dir=staged.parent) as scratch:
        entries, digest = _write_samples(folders, scale, chosen, scratch)
        with staged.open("wb") as target:
            target.write(_head(entries, scale, chosen, digest, scratch.tell()))
            scratch.seek(0)
            while chunk := scratch.read(_CHUNK):
                target.write(chunk)


def _write_samples(
    folders: list[ImageFolder], scale: int, degradation: Degradation, target: IO[bytes]
) -> tuple[list[Entry], str]:
    entries: list[Entry] = []
    digest, offset = hashlib.sha256(), 0
    files = [(folder, file) for folder in folders for file in folder.files.values()]
    for folder, file in track(files, "pack", len(files)):
        hr = modcrop(folder.read(file), scale)
        if hr.ndim == 2:
            hr = np.repeat(hr[..., None], 3, axis=2)
        hr = np.ascontiguousarray(hr)
        lr = np.ascontiguousarray(degradation.shrink(hr, scale))
        name = (
            f"{file.parent.parent.name}/{file.stem}" if file.parent.name == "HR" else f"{file.parent.name}/{file.stem}"
        )
        entries.append(Entry(name, lr.shape[0], lr.shape[1], offset, offset + hr.size))
        for part in (hr, lr):
            digest.update(part.data)
            target.write(part.data)
        offset += hr.size + lr.size
    return entries, digest.hexdigest()


def _head(entries: list[Entry], scale: int, degradation: Degradation, digest: str, size: int) -> bytes:
    manifest = {
        "scale": scale,
        "sha256": digest,
        "bytes": size,
        "grey": "stored as 3 equal channels",
        "degradation": degradation.record(),
        "images": [asdict(entry) for entry in entries],
    }
    text = json.dumps(manifest, sort_keys=True).encode()
    text += b" " * (-(_START + len(text)) % _ALIGN)
    return MAGIC + struct.pack("<Q", len(text)) + hashlib.sha256(text).digest() + text


class Pack:
    """An open pack: a read-only memory map of its samples, and where each image lies in it."""

    def __init__(self, path: Path, manifest: dict[str, Any], start: int) -> None:
        self.path = path
        self.scale = int(manifest["scale"])
        self.digest = str(manifest["sha256"])
        self.degradation: dict[str, Any] = manifest.get("degradation", DEGRADATIONS["matlab"].record())
        self.entries = [Entry(**entry) for entry in manifest["images"]]
        self.samples: Array = np.memmap(path, np.uint8, "r", offset=start, shape=(int(manifest["bytes"]),))

    @classmethod
    def open(cls, path: str | Path, verify: bool = True) -> Pack:
        """Map a pack. Raises SrgridError if it is missing, torn or damaged; not `verify` trusts the samples."""
        path = Path(path)
        manifest, start = _read_head(path)
        _check_manifest(path, manifest)
        expected = start + int(manifest["bytes"])
        if path.stat().st_size != expected:
            raise SrgridError(
                f"{path}: torn training pack ({path.stat().st_size} bytes, not {expected}); pack it again"
            )
        opened = cls(path, manifest, start)
        if verify and hashlib.sha256(opened.samples.data).hexdigest() != opened.digest:
            raise SrgridError(f"{path}: damaged training pack (wrong digest); delete it and pack it again")
        return opened

    def __len__(self) -> int:
        return len(self.entries)

    def hr(self, index: int) -> Array:
        """HR image `index` as a view, (scale * height) x (scale * width) x 3."""
        entry = self.entries[index]
        shape = (entry.height * self.scale, entry.width * self.scale, 3)
        return self.samples[entry.hr_offset : entry.hr_offset + shape[0] * shape[1] * 3].reshape(shape)

    def lr(self, index: int) -> Array:
        """LR image `index` as a view, height x width x 3."""
        entry = self.entries[index]
        size = entry.height * entry.width * 3
        return self.samples[entry.lr_offset : entry.lr_offset + size].reshape(entry.height, entry.width, 3)

    def pairs(self) -> Iterator[tuple[str, Array, Array]]:
        """Name, HR and LR of every image."""
        for index, entry in enumerate(self.entries):
            yield entry.name, self.hr(index), self.lr(index)


def _read_head(path: Path) -> tuple[dict[str, Any], int]:
    try:
        with path.open("rb") as file:
            start = file.read(_START)
            if start[: len(MAGIC)] == _OLD_MAGIC:
                raise SrgridError(f"{path}: a training pack of an earlier version; delete it and pack it again")
            if start[: len(MAGIC)] != MAGIC or len(start) != _START:
                raise SrgridError(f"{path}: not a training pack; make one with `srgrid pack`")
            (length,) = struct.unpack("<Q", start[len(MAGIC) : len(MAGIC) + 8])
            text = file.read(length) if length <= path.stat().st_size else b""
            if hashlib.sha256(text).digest() != start[-32:]:
                raise SrgridError(f"{path}: torn training pack (wrong digest of its head); delete it and pack it again")
            return dict(json.loads(text)), _START + length
    except OSError as error:
        raise SrgridError(
            f"{path}: no readable training pack ({error.strerror}); make one with `srgrid pack`"
        ) from None
    except (ValueError, TypeError, RecursionError):
        raise SrgridError(f"{path}: torn training pack; pack it again") from None


def _check_manifest(path: Path, manifest: dict[str, Any]) -> None:
    """Raise SrgridError unless the images lie one after another, HR before LR, and fill the samples exactly."""
    try:
        scale, end = manifest["scale"], 0
        entries = [Entry(**entry) for entry in manifest["images"]]
        numbers = [scale, manifest["bytes"]]
        numbers += [n for e in entries for n in (e.height, e.width, e.hr_offset, e.lr_offset)]
        good = bool(entries) and isinstance(manifest["sha256"], str) and all(isinstance(e.name, str) for e in entries)
        named = manifest.get("degradation", {"name": "matlab", "steps": []})  # earlier packs knew this one alone
        good = good and isinstance(named["name"], str) and isinstance(named["steps"], list)
        good = good and all(type(number) is int and number >= 0 for number in numbers) and scale > 0
        for entry in entries if good else []:
            size = 3 * entry.height * entry.width
            good = good and size > 0 and (entry.hr_offset, entry.lr_offset) == (end, end + size * scale**2)
            end += size * (scale**2 + 1)
        good = good and end == manifest["bytes"]
    except (KeyError, TypeError):
        good = False
    if not good:
        raise SrgridError(f"{path}: damaged training pack (its head makes no sense); delete it and pack it again")
