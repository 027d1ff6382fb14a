"""Reading the images that figures and previews are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from srgrid.errors import SrgridError
from srgrid.files import keep_apart, set_identity
from srgrid.made import ImageFolder, open_images
from srgrid.metrics import PSNR_SSIM, Metric
from srgrid.names import stem
from srgrid.records import tables_record
from srgrid.report.tables import recorded_scores, run_metrics

Image = NDArray[np.generic]


@dataclass(frozen=True)
class CellImages:
    """A data set at one scale under one protocol: its scores, HR, and SR of every method in the order shown."""

    dataset: str
    scale: int
    protocol: str
    scores_csv: Path
    scores: pd.DataFrame  # the rows of the data set, scale and protocol
    hr: ImageFolder
    srs: Mapping[str, ImageFolder]
    metrics: Sequence[Metric] = PSNR_SSIM

    def pair(self, name: str) -> tuple[Image, dict[str, Image]]:
        """HR and every method's SR of an image (H x W or H x W x 3, 0..255), as `load_pair`."""
        return load_pair(self.hr, self.srs, name)

    def keep_apart(self, *outputs: Path) -> None:
        """Raise SrgridError if an output is, lies in or holds what this is read from."""
        for out in outputs:
            keep_apart(out, self.scores_csv, self.hr.path, *(folder.path for folder in self.srs.values()))


def open_cell(
    scores_csv: Path, hr_dir: Path, sr_dirs: Mapping[str, Path], *, dataset: str, scale: int, protocol: str
) -> CellImages:
    """The images of a cell of a run's scores.csv. `sr_dirs`: the folder of each method's SR (PNG, or .npy float).

    Raises SrgridError as `recorded_scores` and `open_folders`, when no SR is given, and for other images than scored.
    """
    if not sr_dirs:
        raise SrgridError(f"{dataset} x{scale}: no SR folders; give at least bicubic's")
    record, table = tables_record(Path(scores_csv).parent), recorded_scores(scores_csv)
    hr, srs = open_folders(hr_dir, sr_dirs)
    check_scored(record, hr, srs, (dataset, scale, protocol))
    rows = table[(table["dataset"] == dataset) & (table["scale"] == scale) & (table["protocol"] == protocol)]
    return CellImages(dataset, scale, protocol, Path(scores_csv), rows, hr, srs, run_metrics(record))


def open_folders(hr_dir: Path, sr_dirs: Mapping[str, Path]) -> tuple[ImageFolder, dict[str, ImageFolder]]:
    """The folders of HR and of every method's SR. Raises SrgridError as `srgrid.made.open_images`."""
    return open_images(hr_dir), {method: open_images(folder, floats=True) for method, folder in sr_dirs.items()}


def load_pair(hr: ImageFolder, srs: Mapping[str, ImageFolder], name: str) -> tuple[Image, dict[str, Image]]:
    """HR and every method's SR of the image of that stem, HR cropped at the right and bottom to SR's size.

    Raises SrgridError when there is no such image, it is not what its folder's manifest says, the methods' sizes
    differ, or SR is larger than HR.
    """
    whole = _load(hr, name)
    found = {method: _load(folder, name) for method, folder in srs.items()}
    sizes = {sr.shape[:2] for sr in found.values()}
    if len(sizes) != 1:
        raise SrgridError(f"{name}: the SR images of {', '.join(found)} have different sizes, {sorted(sizes)}.")
    height, width = sizes.pop()
    if height > whole.shape[0] or width > whole.shape[1]:
        raise SrgridError(
            f"{hr.files[name]} is {whole.shape[1]} x {whole.shape[0]} pixels, smaller than its SR, {width} x {height}."
        )
    return whole[:height, :width], found


def check_scored(
    tables: Mapping[str, Any], hr: ImageFolder, srs: Mapping[str, ImageFolder], cell: tuple[str, int, str]
) -> None:
    """Raise SrgridError, naming the folder, unless the images are those that were scored (dataset, scale, protocol).

    `tables` is the record of the scores' tables. Folders without a manifest, and what it does not list, are let pass.
    """
    dataset, scale, protocol = cell
    known = {method: tables.get("sr", {}).get(sr_key(dataset, scale, method, protocol)) for method in srs}
    for folder, scored in [(hr, tables.get("hr", {}).get(dataset)), *((srs[m], known[m]) for m in srs)]:
        if folder.made_by is None or scored is None:
            continue
        if set_identity({name: entry["sha256"] for name, entry in folder.noted.items()}) != scored:
            raise SrgridError(f"{folder.path}: other images than those that were scored; score them again")


def sr_key(dataset: str, scale: int | str, method: str, protocol: str) -> str:
    """The name of a cell's SR images in the record of the tables."""
    return f"{dataset} x{scale} {method} under {protocol}"


def _load(folder: ImageFolder, name: str) -> Image:
    wanted = stem(Path(f"{name}.png"))
    if wanted not in folder.files:
        raise SrgridError(f"{folder.path} has no image {name}: make it again, or score what is there.")
    return folder.read(folder.files[wanted])
