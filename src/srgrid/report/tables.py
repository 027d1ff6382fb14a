"""The two tables every report starts from, read strictly and written with fixed formats.

`scores.csv` has one row per image, `grid.csv` one row per cell (dataset x scale x method x protocol).
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from srgrid.errors import SrgridError
from srgrid.files import staged_file

CELL = ["dataset", "scale", "method", "protocol"]
SCORE_COLUMNS = [*CELL, "image", "psnr", "ssim"]
GRID_COLUMNS = [*CELL, "psnr", "ssim", "images"]
BASELINE = "bicubic"

Cell = tuple[str, int, str, str]


def number(value: float, digits: int) -> str:
    """Fixed-point text of a value; `inf` stays `inf`, an undefined value (NaN) is an empty field."""
    if np.isnan(value):
        return ""
    return f"{value:.{digits}f}" if np.isfinite(value) else "inf"


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write one CSV file (`\\n` line ends); it appears by rename when complete."""
    with staged_file(Path(path)) as staged, staged.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _read(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    path = Path(path)
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except FileNotFoundError:
        raise SrgridError(f"{path} does not exist: make it first, or name another table.") from None
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise SrgridError(f"{path} cannot be read as a CSV table ({error}): make it again.") from None
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise SrgridError(f"{path} has no column {', '.join(missing)}: expected {', '.join(columns)}.")
    return frame[list(columns)]


def _numeric(frame: pd.DataFrame, column: str, path: Path) -> None:
    values = pd.to_numeric(frame[column], errors="coerce")
    bad = values.isna()
    if bad.any():
        row = int(np.flatnonzero(bad.to_numpy())[0])
        raise SrgridError(f"{path}, line {row + 2}: {column} is {frame[column].iloc[row]!r}, not a number.")
    frame[column] = values


def _read_numbers(path: Path, columns: Sequence[str], key: Sequence[str]) -> pd.DataFrame:
    frame = _read(path, columns).copy()
    for column in columns:
        if column in ("scale", "psnr", "ssim", "images"):
            _numeric(frame, column, path)
    repeated = frame.duplicated(list(key))
    if repeated.any():
        row = int(np.flatnonzero(repeated.to_numpy())[0])
        what = " ".join(str(frame[name].iloc[row]) for name in key)
        raise SrgridError(f"{path}, line {row + 2}: {what} is there twice.")
    for column in ("scale", "images"):
        if column in frame:
            frame[column] = frame[column].astype(int)
    for column in ("psnr", "ssim"):
        frame[column] = frame[column].astype(float)
    return frame


def read_scores(path: Path) -> pd.DataFrame:
    """Per-image scores: text columns, `scale` int, `psnr` (dB, may be inf) and `ssim` float.

    Raises SrgridError when the file is missing, lacks a column, holds a value that is no number, or repeats a row.
    """
    return _read_numbers(path, SCORE_COLUMNS, [*CELL, "image"])


def read_grid(path: Path) -> pd.DataFrame:
    """The cell means of `grid.csv`, checked as `read_scores` checks its table."""
    return _read_numbers(path, GRID_COLUMNS, CELL)


def check_same_images(scores: pd.DataFrame, source: str) -> None:
    """Raise SrgridError unless every method and protocol of a dataset at a scale covers the same images.

    A table joined on common rows alone would drop the others in silence and shift every mean.
    """
    for (dataset, scale), group in scores.groupby(["dataset", "scale"], sort=False):
        sets = {cell: frozenset(rows["image"]) for cell, rows in group.groupby(["method", "protocol"], sort=False)}
        every = frozenset[str]().union(*sets.values())
        for (method, protocol), images in sets.items():
            if images != every:
                absent = sorted(every - images)
                raise SrgridError(
                    f"{source}: {dataset} x{scale} has no {method} score under {protocol} for {', '.join(absent[:3])}"
                    f"{' and others' if len(absent) > 3 else ''}: score all images with every method again."
                )


def order_key(order: Mapping[str, Sequence[Any]], column: str) -> dict[str, int]:
    """Rank of each allowed value of a column, by its text."""
    return {str(value): rank for rank, value in enumerate(order[column])}


def cells(frame: pd.DataFrame) -> list[Cell]:
    """The distinct cells of a table, in order of first appearance."""
    unique = frame[CELL].drop_duplicates()
    return [(str(d), int(s), str(m), str(p)) for d, s, m, p in unique.itertuples(index=False)]


def distinct(frame: pd.DataFrame, column: str) -> list[Any]:
    """The distinct values of a column in order of first appearance."""
    return list(dict.fromkeys(frame[column].tolist()))
