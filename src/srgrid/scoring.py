"""Scores of a folder of SR images against a folder of HR images: one row per image, nothing dropped."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from srgrid.code import code_identity
from srgrid.errors import SrgridError
from srgrid.files import MANIFEST, keep_apart, read_manifest, set_identity, staged_file
from srgrid.given import Affixes, AmbiguousError, match
from srgrid.grey import is_grey
from srgrid.images import load_array, pixel_digest
from srgrid.made import open_images
from srgrid.metrics import PSNR_SSIM, Metric, measure
from srgrid.metrics.table import to_records
from srgrid.names import check_for_tables, is_name, some, stem
from srgrid.progress import track
from srgrid.protocols import Protocol, get_protocol
from srgrid.records import CELL, file_digest, write_record


@dataclass(frozen=True)
class Row:
    """One image's score by each metric, and the two images that were compared: file name and pixel digest of each."""

    image: str
    values: dict[str, float]
    sr: tuple[str, str] = ("", "")
    hr: tuple[str, str] = ("", "")


def score_paths(sr: Path, hr: Path, scale: int, protocol: Protocol, metrics: Sequence[Metric] = PSNR_SSIM) -> list[Row]:
    """`score_dirs` of two folders, or the one row of two files, whatever their names.

    Raises SrgridError as `score_dirs`, and for a file and a folder.
    """
    if sr.is_dir() != hr.is_dir():
        kinds = [f"{path} is {'a folder' if path.is_dir() else 'none'}" for path in (sr, hr)]
        raise SrgridError(f"{' and '.join(kinds)}; give two folders, or two image files")
    if sr.is_dir():
        return score_dirs(sr, hr, scale, protocol, metrics)
    check_for_tables([stem(hr)], hr.parent)
    loaded = load_array(sr), load_array(hr)
    seen = ((file.name, pixel_digest(image)) for file, image in zip((sr, hr), loaded, strict=True))
    return [Row(stem(hr), _measured((sr, hr), loaded, scale, protocol, metrics), *seen)]


def score_dirs(
    sr_dir: Path, hr_dir: Path, scale: int, protocol: Protocol, metrics: Sequence[Metric] = PSNR_SSIM
) -> list[Row]:
    """Score every image of `sr_dir` (images, or float .npy) against the one of the same name in `hr_dir`.

    Names of SR images may have one prefix and one suffix more (`srgrid.given.match`).
    Raises SrgridError, naming the files, if the two folders do not hold the same images by name, or for any image that
    cannot be read or scored.
    """
    return score_protocols(sr_dir, hr_dir, scale, [protocol], metrics)[protocol.name]


def score_protocols(
    sr_dir: Path, hr_dir: Path, scale: int, protocols: Sequence[Protocol], metrics: Sequence[Metric] = PSNR_SSIM
) -> dict[str, list[Row]]:
    """`score_dirs` under each protocol, by its name; every image is read once."""
    sr_folder, hr_folder = open_images(sr_dir, floats=True), open_images(hr_dir)
    hr_files = hr_folder.files
    sr_files = _matched(sr_folder.files, hr_files, sr_dir, hr_dir)
    check_for_tables(hr_files, hr_dir)
    rows: dict[str, list[Row]] = {protocol.name: [] for protocol in protocols}
    for name in track(sorted(sr_files), f"score x{scale} {', '.join(rows)} {sr_dir}"):
        sr, hr = sr_folder.read(sr_files[name]), hr_folder.read(hr_files[name])
        sr_name, hr_name = sr_files[name].name, hr_files[name].name
        seen = ((sr_name, sr_folder.digests[sr_name]), (hr_name, hr_folder.digests[hr_name]))
        values: dict[Protocol, dict[str, float]] = {}
        grey = is_grey(hr)
        for protocol in protocols:
            rule = _rule(protocol, grey)
            if rule not in values:
                values[rule] = _measured((sr_files[name], hr_files[name]), (sr, hr), scale, protocol, metrics)
            rows[protocol.name].append(Row(name, values[rule], *seen))
    return rows


def _rule(protocol: Protocol, grey: bool) -> Protocol:
    """What of a protocol has a say in the scores of an image: not its name, nor, in colour, what is done to grey."""
    done = protocol.grey if grey or protocol.channels == "luma" else "own"
    return replace(protocol, name="", about="", degradation="", grey=done)


def _measured(
    files: tuple[Path, Path],
    images: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    scale: int,
    protocol: Protocol,
    metrics: Sequence[Metric],
) -> dict[str, float]:
    try:
        return measure(*images, scale, protocol, metrics)
    except SrgridError as error:
        raise SrgridError(f"{files[0]} against {files[1]}: {error}") from None


def _matched(sr: dict[str, Path], hr: dict[str, Path], sr_dir: Path, hr_dir: Path) -> dict[str, Path]:
    """The SR files by the names of the HR images."""
    try:
        return {name: sr[other] for name, other in match(sr, hr, sr_dir)[0].items()}
    except AmbiguousError:
        raise
    except SrgridError:
        _match(sr, hr, sr_dir, hr_dir)
        raise


def read_as(rows: Sequence[Row]) -> str:
    """How the SR images' names were read, "NAME_SwinIR"; empty if they are the HR images' own."""
    _, affixes = match([stem(Path(row.sr[0])) for row in rows], [row.image for row in rows], "SR")
    return "" if affixes == Affixes() else str(affixes)


def _match(sr: dict[str, Path], hr: dict[str, Path], sr_dir: Path, hr_dir: Path) -> None:
    lost, spare = sorted(hr.keys() - sr.keys()), sorted(sr.keys() - hr.keys())
    if not sr.keys() & hr.keys():
        names = f"{some(spare[:1])} there, {some(lost[:1])} here"
        raise SrgridError(f"{sr_dir} and {hr_dir}: no file names match, extensions aside ({names}); rename the files")
    if lost:
        raise SrgridError(f"{sr_dir}: has no SR image for {some(lost)} of {hr_dir}; a mean over the rest would mislead")
    if spare:
        raise SrgridError(f"{sr_dir}: {some(spare)} match no image of {hr_dir}; remove them or add the HR images")


def mean(rows: list[Row]) -> dict[str, float]:
    """The mean over images of each metric."""
    return {name: float(np.mean([row.values[name] for row in rows])) for name in rows[0].values}


def write_rows(out: Path, rows: list[Row], metrics: Sequence[Metric] = PSNR_SSIM, **cell: str | int) -> None:
    """Write the rows as CSV; `cell` gives columns that are the same in every row (dataset, scale, method, ...)."""
    with staged_file(out) as staged, staged.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*cell, "image", *(metric.name for metric in metrics)])
        for row in rows:
            writer.writerow([*cell.values(), row.image, *(f"{row.values[m.name]:.{m.stored}f}" for m in metrics)])


def score_cells(
    out_dir: Path,
    hr_dir: Path,
    sr_dirs: Mapping[str, Path],
    column: tuple[str, int, str],
    protocols: Mapping[str, Protocol],
    metrics: Sequence[Metric] = PSNR_SSIM,
) -> list[Path]:
    """Score a method's images of one data set at one scale under several protocols, as cells of a grid.

    sr_dirs: the folder that each protocol scores, by the protocol's name. column: data set, scale and method. Once all
    are scored, writes PROTOCOL/DATASET_xSCALE_METHOD.csv under `out_dir`, each with its record (`write_cell`), and
    returns them in the order of `sr_dirs`. Raises SrgridError as `score_dirs` does, and for names that are no names.
    """
    dataset, scale, method = column
    for name in (dataset, method):
        if not is_name(name):
            raise SrgridError(f"cell: {name!r} is no name of a data set or method; it takes A-Z a-z 0-9 . + _ -")
    rules = {name: get_protocol(name, protocols) for name in sr_dirs}
    files = {name: out_dir / name / f"{dataset}_x{scale}_{method}.csv" for name in sr_dirs}
    for file in files.values():
        keep_apart(file, hr_dir, *sr_dirs.values())
    rows: dict[str, list[Row]] = {}
    for folder in dict.fromkeys(sr_dirs.values()):
        sharing = [rules[name] for name, own in sr_dirs.items() if own == folder]
        rows |= score_protocols(folder, hr_dir, scale, sharing, metrics)
    for name, folder in sr_dirs.items():
        cell = {"dataset": dataset, "scale": scale, "method": method, "protocol": name}
        write_cell(files[name], rows[name], cell, rules[name], folder, metrics)
    return list(files.values())


def write_cell(
    out: Path,
    rows: list[Row],
    cell: Mapping[str, Any],
    protocol: Protocol,
    sr_dir: Path,
    metrics: Sequence[Metric] = PSNR_SSIM,
) -> None:
    """Write one cell of a grid: the rows as CSV and, beside it (.json), the record that `srgrid grid` asks for.

    cell: dataset, scale, method and protocol. The record holds digests of the CSV and of the pixels compared, the
    protocol's fields, the metrics' records, what the manifest of `sr_dir` says of the SR images (null without one), and
    the code's identity.
    """
    write_rows(out, rows, metrics, **{key: cell[key] for key in CELL})
    record = {
        "csv": file_digest(out),
        "cell": dict(cell),
        "protocol": protocol.record(),
        "metrics": to_records(metrics),
        "hr": set_identity(dict(row.hr for row in rows)),
        "sr": set_identity(dict(row.sr for row in rows)) | _made_by(sr_dir),
        "code": code_identity("srgrid.scoring"),
    }
    write_record(out.with_suffix(".json"), "cell", record)


def _made_by(sr_dir: Path) -> dict[str, Any]:
    """What the manifest says: what made the images, and number and digest of the LR images they were made from."""
    if not (sr_dir / MANIFEST).exists():
        return {"made_by": None, "lr": None}
    made_by = dict(read_manifest(sr_dir)["made_by"])
    inputs = made_by.pop("inputs", None)
    made_by.pop("sources", None)  # of images given by hand; the manifest has them
    return {"made_by": made_by, "lr": set_identity(inputs) if isinstance(inputs, dict) else None}
