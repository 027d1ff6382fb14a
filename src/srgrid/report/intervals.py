"""Bootstrap confidence intervals of the grid's means, and paired ones of each method's gain over bicubic."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from srgrid.errors import SrgridError
from srgrid.metrics import PSNR_SSIM
from srgrid.report.tables import (
    BASELINE,
    CELL,
    Metrics,
    cells,
    check_same_images,
    number,
    read_scores,
    read_table,
    same_means,
    write_csv,
)

LEVEL = 0.95
RESAMPLES = 9999
SEED = 20180708

_ONE_IMAGE = "one image: no interval"


def _names(metrics: Metrics) -> list[str]:
    """What has an interval: the values of each metric, then the gains."""
    return [f"{metric.name}{what}" for what in ("", "_gain") for metric in metrics]


def interval_columns(metrics: Metrics) -> list[str]:
    """The columns of intervals.csv."""
    values = [f"{name}{end}" for name in _names(metrics) for end in ("", "_low", "_high")]
    return [*CELL, "images", *values, "note"]


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


def intervals(scores_csv: Path, out_csv: Path, metrics: Metrics = PSNR_SSIM) -> None:
    """Write `intervals.csv` from `scores.csv`.

    Per cell: mean, low and high of each metric, and of the paired difference, method minus bicubic, on the same images
    and protocol (`psnr_gain`, ...; empty for bicubic itself and where bicubic was not run). Where lower is better, an
    improvement is a negative gain. `note` says why an interval is missing. Raises SrgridError when the methods of a
    dataset do not cover the same images.
    """
    scores = read_scores(scores_csv, metrics)
    check_same_images(scores, str(scores_csv))
    groups = {key: rows.set_index("image") for key, rows in scores.groupby(CELL, sort=False)}
    rows = []
    for cell in cells(scores):
        dataset, scale, method, protocol = cell
        own = groups[cell]
        baseline = groups.get((dataset, scale, BASELINE, protocol)) if method != BASELINE else None
        rows.append([*cell, len(own), *_row(own, baseline, metrics), _note(own, method, baseline, metrics)])
    write_csv(out_csv, interval_columns(metrics), rows)


def read_intervals(path: Path, grid: pd.DataFrame, metrics: Metrics = PSNR_SSIM) -> pd.DataFrame:
    """The intervals of a grid's cells, in its order; NaN where a value is left empty.

    Raises SrgridError when the table is damaged, has other cells or means than the grid, or ends that do not hold
    their value.
    """
    table = read_table(path, interval_columns(metrics), CELL, metrics)
    again = "make the grid again (srgrid grid)"
    if cells(table) != cells(grid):
        raise SrgridError(f"{path} has other cells than the grid beside it; {again}")
    for name in _names(metrics):
        low, value, high = (table[f"{name}{end}"] for end in ("_low", "", "_high"))
        if ((low > value) | (value > high)).any():
            raise SrgridError(f"{path}: a {name} lies outside its interval; {again}")
    if not same_means(table, grid, metrics):
        raise SrgridError(f"{path} has other means than the grid beside it; {again}")
    return table


def _row(own: pd.DataFrame, baseline: pd.DataFrame | None, metrics: Metrics) -> list[str]:
    fields: list[str] = []
    for metric in metrics:
        fields += [number(value, metric.stored) for value in bootstrap_mean(own[metric.name].to_numpy(float))]
    for metric in metrics:
        if baseline is None:
            fields += [""] * 3
            continue
        difference = own[metric.name].to_numpy(float) - baseline.loc[own.index, metric.name].to_numpy(float)
        fields += [number(value, metric.stored) for value in bootstrap_mean(difference)]
    return fields


def _note(own: pd.DataFrame, method: str, baseline: pd.DataFrame | None, metrics: Metrics) -> str:
    notes = [_ONE_IMAGE] if len(own) < 2 else []
    tables = [own] if baseline is None else [own, baseline]
    for metric in metrics:
        if not all(np.isfinite(table[metric.name]).all() for table in tables):
            notes.append(f"an image equals HR (infinite {metric.label}): no {metric.label} interval")
    if method != BASELINE and baseline is None:
        notes.append(f"{BASELINE} was not run: no gain")
    return "; ".join(notes)
