"""Scores of a folder of SR images against a folder of HR images: one row per image, nothing dropped."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from srgrid.errors import SrgridError
from srgrid.files import some, staged_file
from srgrid.made import open_images
from srgrid.metrics import Protocol, Score, score
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
    sr_folder, hr_folder = open_images(sr_dir, floats=True), open_images(hr_dir)
    sr_files, hr_files = sr_folder.files, hr_folder.files
    _match(sr_files, hr_files, sr_dir, hr_dir)
    rows: list[Row] = []
    for stem in track(sorted(sr_files), f"score x{scale} {protocol.name} {sr_dir}"):
        sr, hr = sr_folder.read(sr_files[stem]), hr_folder.read(hr_files[stem])
        try:
            value = score(sr, hr, scale, protocol, check=not rows)
        except SrgridError as error:
            raise SrgridError(f"{sr_files[stem]} against {hr_files[stem]}: {error}") from None
        rows.append(Row(stem, *value))
    return rows


def _match(sr: dict[str, Path], hr: dict[str, Path], sr_dir: Path, hr_dir: Path) -> None:
    lost, spare = sorted(hr.keys() - sr.keys()), sorted(sr.keys() - hr.keys())
    if not sr.keys() & hr.keys():
        raise SrgridError(
            f"{sr_dir} and {hr_dir}: no file names match ({spare[0]} there, {lost[0]} here); files are matched by name "
            "without extension"
        )
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
