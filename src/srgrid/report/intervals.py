"""Bootstrap confidence intervals of the grid's means, and paired ones of each method's gain over bicubic."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from srgrid.errors import SrgridError
from srgrid.report.tables import BASELINE, CELL, cells, check_same_images, number, read_scores, read_table, write_csv

LEVEL = 0.95
RESAMPLES = 9999
SEED = 20180708

_VALUES = [f"{name}{end}" for name in ("psnr", "ssim", "psnr_gain", "ssim_gain") for end in ("", "_low", "_high")]
INTERVAL_COLUMNS = [*CELL, "images", *_VALUES, "note"]

_ONE_IMAGE = "one image: no interval"
_INFINITE = "an image equals HR (infinite PSNR): no PSNR interval"


def bootstrap_mean(values: NDArray[np.float64], seed: int = SEED) -> tuple[float, float, float]:
    """Mean and 95 % bootstrap interval of the mean of 1-D `values` over images.

    Bias-corrected and accelerated (BCa; Efron 1987), 9999 resamples, fixed seed, so that a cell's interval depends on
    its own rows alone. With one value, or one that is infinite, the ends are NaN; with equal values they are the mean.
    """
    mean = float(values.mean())
    if len(values) < 2 or not np.isfinite(values).all():
        return mean, np.nan, np.nan
    if np.ptp(values) == 0:
        return mean, mean, mean
    with warnings.catch_warnings():
        warnings.simplefilter("error", stats.DegenerateDataWarning)
        result = stats.bootstrap(
            (values,), np.mean, n_resamples=RESAMPLES, confidence_level=LEVEL, method="BCa", vectorized=True, axis=-1,
            rng=np.random.default_rng(seed),
        )  # fmt: skip
    return mean, float(result.confidence_interval.low), float(result.confidence_interval.high)


def intervals(scores_csv: Path, out_csv: Path) -> None:
    """Write `intervals.csv` from `scores.csv`.

    Per cell: mean, low and high of PSNR (dB) and SSIM, and of the paired difference to bicubic on the same images
    and protocol (`psnr_gain`, `ssim_gain`; empty for bicubic itself and where bicubic was not run). `note` says why an
    interval is missing. Raises SrgridError when the methods of a dataset do not cover the same images.
    """
    scores = read_scores(scores_csv)
    check_same_images(scores, str(scores_csv))
    groups = {key: rows.set_index("image") for key, rows in scores.groupby(CELL, sort=False)}
    rows = []
    for cell in cells(scores):
        dataset, scale, method, protocol = cell
        own = groups[cell]
        baseline = groups.get((dataset, scale, BASELINE, protocol)) if method != BASELINE else None
        rows.append([*cell, len(own), *_row(own, baseline), _note(own, method, baseline)])
    write_csv(out_csv, INTERVAL_COLUMNS, rows)


def read_intervals(path: Path, grid: pd.DataFrame) -> pd.DataFrame:
    """The intervals of a grid's cells, in its order; NaN where a value is left empty.

    Raises SrgridError when the table is damaged, has other cells or means than the grid, or ends that do not hold
    their value.
    """
    table = read_table(path, INTERVAL_COLUMNS, CELL)
    again = "make the grid again (srgrid grid)"
    if cells(table) != cells(grid):
        raise SrgridError(f"{path} has other cells than the grid beside it; {again}")
    for name in ("psnr", "ssim", "psnr_gain", "ssim_gain"):
        low, value, high = (table[f"{name}{end}"] for end in ("_low", "", "_high"))
        if ((low > value) | (value > high)).any():
            raise SrgridError(f"{path}: a {name} lies outside its interval; {again}")
    means = table[["psnr", "ssim", "images"]].to_numpy(float)
    if not np.allclose(means, grid[["psnr", "ssim", "images"]].to_numpy(float), rtol=0, atol=2e-6):
        raise SrgridError(f"{path} has other means than the grid beside it; {again}")
    return table


def _row(own: pd.DataFrame, baseline: pd.DataFrame | None) -> list[str]:
    fields: list[str] = []
    for metric, digits in (("psnr", 6), ("ssim", 8)):
        fields += [number(value, digits) for value in bootstrap_mean(own[metric].to_numpy(float))]
    for metric, digits in (("psnr", 6), ("ssim", 8)):
        if baseline is None:
            fields += [""] * 3
            continue
        difference = own[metric].to_numpy(float) - baseline.loc[own.index, metric].to_numpy(float)
        fields += [number(value, digits) for value in bootstrap_mean(difference)]
    return fields


def _note(own: pd.DataFrame, method: str, baseline: pd.DataFrame | None) -> str:
    notes = [_ONE_IMAGE] if len(own) < 2 else []
    tables = [own] if baseline is None else [own, baseline]
    notes += [_INFINITE] if not all(np.isfinite(table["psnr"]).all() for table in tables) else []
    if method != BASELINE and baseline is None:
        notes.append(f"{BASELINE} was not run: no gain")
    return "; ".join(notes)
