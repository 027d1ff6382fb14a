"""Data sets as Hugging Face `datasets.Dataset`: columns name, hr and lr, Arrow on disk, memory-mapped.

The meaning is that of the card's `load_dataset("eugenesiow/Set5", "bicubic_x4")`, whose loading script no longer runs:
one row an image, with the HR image and its LR image. Here HR is always cropped to a multiple of the scale, so that
it is exactly `scale` times its LR image.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srgrid import images
from srgrid.code import code_identity
from srgrid.data import registry, sources
from srgrid.data.download import cache_folder, held_cache
from srgrid.data.fetch import fetch
from srgrid.degrade import Degradation, get_degradation
from srgrid.errors import SrgridError
from srgrid.files import MANIFEST, keep_apart, read_manifest, scratch_dir, staged_file
from srgrid.made import open_images
from srgrid.progress import track
from srgrid.resize import modcrop

if TYPE_CHECKING:
    import datasets

KERNELS = ("matlab", "pillow")
BATCH = 16  # rows written at a time: DIV2K's are about 5 MB each


def load(
    name: str,
    scale: int = 4,
    kernel: str = "matlab",
    mirror: str | os.PathLike[str] | None = None,
    *,
    extra: Mapping[str, Any] | None = None,
) -> datasets.Dataset:
    """A data set with columns `name` (text), `hr` and `lr` (datasets.Image, decoded to PIL images on access).

    HR is cropped to a multiple of `scale` (top-left kept); LR is its bicubic reduction by `kernel`: matlab (bit for
    bit) or pillow. A variant's LR is made as the registry declares. Images are fetched and verified as by `fetch` and
    kept in the cache (SRGRID_CACHE); the table is memory-mapped from there, and made again only if an image or the code
    that makes it changed, or if it is damaged.
    Raises SrgridError for an unknown set, scale or kernel, and as `fetch` does.
    """
    from datasets import Dataset

    return Dataset.from_file(str(_table(name, scale, kernel, mirror, extra)))


def export(
    name: str,
    scale: int,
    out: str | os.PathLike[str],
    kernel: str = "matlab",
    mirror: str | os.PathLike[str] | None = None,
    *,
    extra: Mapping[str, Any] | None = None,
) -> Path:
    """Write `load`'s table as OUT/NAME_xSCALE_KERNEL.parquet, images as PNG inside, atomically; return the file.

    `datasets.load_dataset("parquet", data_files=...)` reads it, with the images decoded. Raises as `load` does.
    """
    target = Path(out) / f"{name}_x{scale}_{kernel}.parquet"
    chosen = sources.mirror_folder(mirror)
    keep_apart(target, cache_folder() / "HR", cache_folder() / "tables", *([chosen / name] if chosen else []))
    table = load(name, scale, kernel, mirror, extra=extra)
    with staged_file(target) as staged:
        table.to_parquet(str(staged))
    return target


def augment_five_crop(batch: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """Five rows of each: the four corners and the centre, each half as wide and high as the LR image, and HR to match.

    For training sets: `load("DIV2K").map(augment_five_crop, batched=True)`. `batch` has the columns name, hr and lr
    (PIL images); others are repeated. Raises SrgridError if an HR image is not a multiple of its LR image.
    """
    made: dict[str, list[Any]] = {column: [] for column in batch}
    for row in zip(*batch.values(), strict=True):
        item = dict(zip(batch, row, strict=True))
        scale = _scale_of(item)
        width, height = (max(1, n // 2) for n in item["lr"].size)
        right, bottom = item["lr"].width - width, item["lr"].height - height
        corners = ((0, 0), (right, 0), (0, bottom), (right, bottom), (right // 2, bottom // 2))
        for label, (x, y) in zip(("tl", "tr", "bl", "br", "c"), corners, strict=True):
            box = (x, y, x + width, y + height)
            crops = {
                "lr": item["lr"].crop(box),
                "hr": item["hr"].crop(tuple(scale * n for n in box)),
                "name": f"{item['name']}_{label}",
            }
            for column, value in (item | crops).items():
                made[column].append(value)
    return made


def _scale_of(item: Mapping[str, Any]) -> int:
    hr, lr = item["hr"].size, item["lr"].size
    scale = int(hr[0] // lr[0])
    if hr != (scale * lr[0], scale * lr[1]):
        raise SrgridError(f"{item['name']}: HR {hr[0]}x{hr[1]} is not a multiple of LR {lr[0]}x{lr[1]}")
    return scale


def _table(
    name: str,
    scale: int,
    kernel: str,
    mirror: str | os.PathLike[str] | None,
    extra: Mapping[str, Any] | None,
) -> Path:
    """The Arrow file of a set, made if it is not in the cache."""
    if kernel not in KERNELS:
        raise SrgridError(f"unknown kernel {kernel!r}; choose one of {', '.join(KERNELS)}")
    if scale != int(scale) or scale < 1:
        raise SrgridError(f"scale must be a positive integer, got {scale}")
    folder = sources.mirror_folder(mirror)
    entry = registry.resolve(name, folder, extra)
    with held_cache("tables") as cache:
        hr_dir = _fetched(entry, cache, folder, extra)
        lr_dir = _fetched(registry.get(entry.lr_of, extra), cache, folder, extra) if entry.lr_of else hr_dir
        out = cache / "tables" / f"{name}_x{scale}_{kernel}-{_key(hr_dir, lr_dir, scale * entry.lr_times)}.arrow"
        if not _intact(out, hr_dir):
            _write_table(out, hr_dir, lr_dir, scale, scale * entry.lr_times, get_degradation(kernel))
    return out


def _intact(table: Path, hr_dir: Path) -> bool:
    """Whether there is a table that can be read as one and holds a row for each image; a damaged one is made again."""
    from datasets import Dataset
    from pyarrow import ArrowException

    if not table.is_file():
        return False
    try:
        found = Dataset.from_file(str(table))
        found.data.validate(full=True)
        names = found["name"][:]
    except (ArrowException, OSError, ValueError, KeyError, TypeError):  # of damaged bytes
        return False
    return sorted(names) == sorted(Path(file).stem for file in read_manifest(hr_dir)["files"])


def _fetched(entry: registry.Dataset, cache: Path, mirror: Path | None, extra: Mapping[str, Any] | None) -> Path:
    """The cached HR folder of a set. Verified images are kept; unverified ones may have changed: taken anew."""
    folder = cache / "HR" / entry.name
    if entry.known and (folder / MANIFEST).exists():
        files = read_manifest(folder)["files"]
        if {file: noted["sha256"] for file, noted in files.items()} == {
            f"{known.image}.png": known.sha256 for known in entry.known.values()
        }:
            return folder
    fetch(entry.name, folder, mirror, extra=extra)
    return folder


def _key(hr_dir: Path, lr_dir: Path, lr_scale: int) -> str:
    """Changes with any pixel of the HR images, or of those that the LR images are made from, and with the code."""
    noted = [read_manifest(folder)["files"] for folder in (hr_dir, lr_dir)]
    text = "\n".join(f"{name} {entry['sha256']}" for files in noted for name, entry in sorted(files.items()))
    code = json.dumps(code_identity("srgrid.data.hub"), sort_keys=True)
    return hashlib.sha256(f"{code}\n{lr_scale}\n{text}".encode()).hexdigest()[:16]


def _write_table(out: Path, hr_dir: Path, lr_dir: Path, scale: int, lr_scale: int, degradation: Degradation) -> None:
    from datasets import Features, Image, Value
    from datasets.arrow_writer import ArrowWriter

    features = Features({"name": Value("string"), "hr": Image(), "lr": Image()})
    hr_images, lr_images = open_images(hr_dir), open_images(lr_dir)
    files = list(hr_images.files.values())
    with (
        staged_file(out) as staged,
        scratch_dir(out.parent) as room,
        ArrowWriter(path=str(staged), features=features, writer_batch_size=BATCH) as writer,
    ):
        for file in track(files, f"table {out.name.rpartition('-')[0]}"):
            origin = lr_images.read(lr_dir / file.name)
            hr = modcrop(hr_images.read(file) if hr_dir != lr_dir else origin, scale)
            lr = degradation.shrink(origin, lr_scale)
            writer.write({"name": file.stem, "hr": _png(hr, file, room), "lr": _png(lr, file, room)})
        writer.finalize()


def _png(image: images.Array, file: Path, room: Path) -> dict[str, Any]:
    """An image as `datasets.Image` stores it: the bytes of a PNG file, and a name."""
    images.write(room / file.name, image)
    return {"bytes": (room / file.name).read_bytes(), "path": file.name}
