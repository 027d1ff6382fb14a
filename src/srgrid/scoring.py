"""Scores of a folder of SR images against a folder of HR images: one row per image, nothing dropped."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from srgrid import images
from srgrid.errors import SrgridError
from srgrid.files import staged_file
from srgrid.metrics import Protocol, Score, score
from srgrid.names import check_for_tables, some, taken
from srgrid.progress import track


@dataclass(frozen=True)
class Row:
    """One image's score."""

    image: str
    psnr: float
    ssim: float


def score_dirs(sr_dir: Path, hr_dir: Path, scale: int, protocol: Protocol) -> list[Row]:
    """Score every image of `sr_dir` (images, or float .npy) against the one of the same stem in `hr_dir`.

    The first image is also scored by scikit-image itself, and has to agree. Raises SrgridError, naming the files, if
    the two folders do not hold the same stems, or for any image that cannot be read or scored.
    """
    hr_files = images.by_stem(images.list_images(hr_dir))
    sr_files = images.by_stem(_sr_files(sr_dir))
    _match(sr_files, hr_files, sr_dir, hr_dir)
    check_for_tables(hr_files, hr_dir)
    rows: list[Row] = []
    for stem in track(sorted(sr_files), f"score x{scale} {protocol.name} {sr_dir}"):
        sr, hr = images.load_array(sr_files[stem]), images.read(hr_files[stem])
        try:
            value = score(sr, hr, scale, protocol, check=not rows)
        except SrgridError as error:
            raise SrgridError(f"{sr_files[stem]} against {hr_files[stem]}: {error}") from None
        rows.append(Row(stem, *value))
    return rows


def _sr_files(folder: Path) -> list[Path]:
    floats = sorted(folder.glob("*.npy")) if folder.is_dir() else []
    if floats and any(map(taken, folder.iterdir())):
        raise SrgridError(f"{folder}: holds both images and .npy arrays; leave the ones to be scored")
    return floats or images.list_images(folder)


def _match(sr: dict[str, Path], hr: dict[str, Path], sr_dir: Path, hr_dir: Path) -> None:
    lost, spare = sorted(hr.keys() - sr.keys()), sorted(sr.keys() - hr.keys())
    if not sr.keys() & hr.keys():
        names = f"{some(spare[:1])} there, {some(lost[:1])} here"
        raise SrgridError(f"{sr_dir} and {hr_dir}: no file names match, extensions aside ({names}); rename the files")
    if lost:
        raise SrgridError(f"{sr_dir}: has no SR image for {some(lost)} of {hr_dir}; a mean over the rest would mislead")
    if spare:
        raise SrgridError(f"{sr_dir}: {some(spare)} match no image of {hr_dir}; remove them or add the HR images")


def mean(rows: list[Row]) -> Score:
    """The mean over images of the per-image values."""
    return Score(float(np.mean([r.psnr for r in rows])), float(np.mean([r.ssim for r in rows])))


def write_rows(out: Path, rows: list[Row], **cell: str | int) -> None:
    """Write the rows as CSV; `cell` gives columns that are the same in every row (dataset, scale, method, ...)."""
    with staged_file(out) as staged, staged.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*cell, "image", "psnr", "ssim"])
        for row in rows:
            writer.writerow([*cell.values(), row.image, f"{row.psnr:.6f}", f"{row.ssim:.8f}"])
