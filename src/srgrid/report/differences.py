"""Differences between two methods, image by image: how large, how certain, and what a data set can resolve at all.

Two methods are scored on the same images, so what is tested is the mean of their paired differences. Interval and test
are Student's, since over five or fourteen images the bootstrap's intervals are too short (docs/comparing.md has the
measured coverage of both). The p-values of all differences that are looked at together are corrected by Holm's method
(1979). That two trainings differ says nothing of two architectures: another seed gives other weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from srgrid.errors import SrgridError
from srgrid.metrics import Metric
from srgrid.report.tables import distinct, number, recorded_metrics, recorded_scores, write_csv

LEVEL = 0.95
POWER = 0.8
COLUMNS = (
    *("dataset", "scale", "protocol", "metric", "method", "other", "images"),
    *("difference", "low", "high", "p", "p_holm", "resolvable"),
)


@dataclass(frozen=True)
class Difference:
    """One method minus another in one cell, by one metric. What cannot be told is NaN."""

    dataset: str
    scale: int
    protocol: str
    metric: Metric
    method: str
    other: str
    images: int
    mean: float
    low: float  # ends of the 95 % interval of the mean
    high: float
    p: float  # two-sided, of no difference
    resolvable: float  # a true difference of this size would be found in 80 % of such sets of images
    p_holm: float = float("nan")

    @property
    def better(self) -> int:
        """1 if the method is better, -1 if the other is, 0 if that is not certain (corrected p of 0.05 or more)."""
        return int(np.sign(self.mean)) * self.metric.sign if self.p_holm < 1 - LEVEL else 0


def student(images: int) -> float:
    """Student's quantile of a 95 % interval of a mean over so many images, two or more."""
    return float(stats.t.ppf((1 + LEVEL) / 2, images - 1))


def paired(apart: npt.NDArray[np.float64]) -> tuple[float, ...]:
    """Mean, both ends of its 95 % interval, p of no difference, and the resolvable difference, of 1-D differences.

    Student's interval and paired t-test. The resolvable difference is (t(0.975) + t(0.8)) standard errors: the mean
    that a two-sided test at 0.05 finds with a probability of 0.8 (Cohen 1988). NaN for fewer than two values, or
    infinite ones.
    """
    with np.errstate(invalid="ignore"):
        mean = float(apart.mean())
    if len(apart) < 2 or not np.isfinite(apart).all():
        return mean, *[float("nan")] * 4
    free = len(apart) - 1
    error = float(apart.std(ddof=1)) / len(apart) ** 0.5
    half = student(len(apart)) * error
    least = half + float(stats.t.ppf(POWER, free)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, free)) if error else float(mean == 0)
    return mean, mean - half, mean + half, p, least


def holm(values: Sequence[float]) -> list[float]:
    """p-values corrected for being looked at together (Holm 1979); NaN stays, and does not count."""
    p = np.array(values, float)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    p[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return [float(value) for value in p]


def differences(
    scores: pd.DataFrame, metrics: Sequence[Metric], protocols: Sequence[str], pairs: Iterable[tuple[str, str]] = ()
) -> list[Difference]:
    """Every pair of methods (all, or those given: first minus second) in every cell that has both.

    scores: as `tables.read_scores` gives them. Holm's correction is over what is returned, metric by metric. Raises
    SrgridError if two methods do not cover the same images.
    """
    chosen = list(pairs) or [(b, a) for a, b in combinations(distinct(scores, "method"), 2)]
    by_cell = {
        key: rows.set_index("image")
        for key, rows in scores.groupby(["dataset", "scale", "protocol", "method"], sort=False)
    }
    places = scores[["dataset", "scale", "protocol"]].drop_duplicates().itertuples(index=False, name=None)
    cells = [place for place in places if place[2] in protocols]
    found: list[Difference] = []
    for metric in metrics:
        rows = []
        for method, other in chosen:
            for place in cells:
                own, against = by_cell.get((*place, method)), by_cell.get((*place, other))
                if own is not None and against is not None:
                    rows.append(_difference(place, metric, method, other, own, against))
        corrected = holm([row.p for row in rows])
        found += [replace(row, p_holm=p) for row, p in zip(rows, corrected, strict=True)]
    return found


def _difference(
    place: tuple[str, int, str], metric: Metric, method: str, other: str, own: pd.DataFrame, against: pd.DataFrame
) -> Difference:
    dataset, scale, protocol = place
    if set(own.index) != set(against.index):
        lone = sorted(set(own.index) ^ set(against.index))
        raise SrgridError(
            f"{dataset} x{scale}: {method} and {other} were not scored on the same images ({', '.join(lone[:3])});"
            " score both on all of them"
        )
    with np.errstate(invalid="ignore"):  # two infinite values have no difference
        apart = own[metric.name].to_numpy(float) - against.loc[own.index, metric.name].to_numpy(float)
    mean, low, high, p, least = paired(apart)
    return Difference(
        dataset, int(scale), protocol, metric, method, other, len(own), mean, low, high, p, resolvable=least
    )


def tally(found: Iterable[Difference]) -> dict[tuple[str, str], dict[str, int]]:
    """For each two methods, in both orders, in how many cells the first is certainly better, and worse, and of how many
    cells.
    """
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for one in found:
        for pair, better in (((one.method, one.other), one.better), ((one.other, one.method), -one.better)):
            count = counts.setdefault(pair, {"better": 0, "worse": 0, "cells": 0})
            count["cells"] += 1
            if better:
                count["better" if better > 0 else "worse"] += 1
    return counts


def run_differences(run_dir: Path, out: Path) -> None:
    """Write the differences of a run's methods, each pair under each protocol, by every metric.

    Holm's correction is made for each protocol and metric by itself. Raises SrgridError as `recorded_scores` does.
    """
    file = Path(run_dir) / "scores.csv"
    scores, metrics = recorded_scores(file), recorded_metrics(file)
    found = [differences(scores, metrics, [protocol]) for protocol in distinct(scores, "protocol")]
    write_differences(out, [one for part in found for one in part])


def write_differences(path: Path, found: Iterable[Difference]) -> None:
    """Write them as CSV, with the digits that the tables store; what cannot be told is left empty."""
    rows = []
    for one in found:
        digits = one.metric.stored
        values = [number(value, digits) for value in (one.mean, one.low, one.high)]
        tests = ["" if np.isnan(p) else f"{p:.3g}" for p in (one.p, one.p_holm)]
        cell = [one.dataset, one.scale, one.protocol, one.metric.name, one.method, one.other, one.images]
        rows.append([*cell, *values, *tests, number(one.resolvable, digits)])
    write_csv(path, COLUMNS, rows)
