"""A finished run as tables and pictures, for scripts and notebooks; `srgrid.open_run` and `srgrid.score_dirs`.

>>> import srgrid
>>> run = srgrid.open_run("results/published")
>>> run.grid.head()  # pandas, one row a cell; so are run.scores and run.intervals
>>> run.compare("rcan-bam-s", "rcan-s")  # a picture, which Jupyter shows
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from PIL import Image

from srgrid.errors import SrgridError
from srgrid.metrics import Metric, get_metrics
from srgrid.protocols import Protocol, get_protocol
from srgrid.records import SELECTION, TABLE_NAMES, check_files, read_record, tables_record
from srgrid.report.cardata import check_fresh
from srgrid.report.differences import Difference, differences
from srgrid.report.forest import forest
from srgrid.report.intervals import read_intervals
from srgrid.report.tables import distinct, headings, read_grid, read_scores, run_metrics, score_text
from srgrid.scoring import score_paths

_CELL = ["dataset", "scale", "protocol", "metric", "method", "other", "images"]


@dataclass(frozen=True, eq=False)
class Run:
    """The tables of a run's folder, and the digest of its scores. `open_run` makes one.

    grid: one row a cell, the mean of each metric and the number of images. scores: one row an image. intervals: the
    grid's means and gains over bicubic, each with the ends of its 95 % interval.
    """

    path: Path
    metrics: Sequence[Metric] = field(repr=False)
    grid: pd.DataFrame = field(repr=False)
    scores: pd.DataFrame = field(repr=False)
    intervals: pd.DataFrame = field(repr=False)
    scores_sha256: str = field(repr=False)

    @property
    def methods(self) -> list[str]:
        """The columns of the grid."""
        return distinct(self.grid, "method")

    @property
    def protocols(self) -> list[str]:
        """The protocols, the headline's first."""
        return distinct(self.grid, "protocol")

    def wide(self, protocol: str | None = None) -> pd.DataFrame:
        """The grid as a card prints it, "28.42 / 0.8101": a row a data set and scale, a column a method.

        protocol: the first if not given. A cell that was not run is empty. Raises SrgridError for an unknown protocol.
        """
        rows = self.grid[self.grid["protocol"] == self._protocol(protocol)]
        texts = [
            score_text(self.metrics, values)
            for values in rows[[m.name for m in self.metrics]].itertuples(index=False, name=None)
        ]
        table = rows.assign(text=texts).pivot(index=["dataset", "scale"], columns="method", values="text")
        places = list(rows[["dataset", "scale"]].drop_duplicates().itertuples(index=False, name=None))
        return table.loc[places, distinct(rows, "method")].fillna("")

    def differences(self, method: str, other: str, protocol: str | None = None) -> pd.DataFrame:
        """The first method minus the other: a row a cell and metric, with interval, p, and p corrected (Holm).

        The columns are those of differences.csv. Raises SrgridError for a method or protocol that the run has not.
        """
        rows = [
            (*(getattr(one, name) for name in _CELL if name != "metric"), one.metric.name, *_values(one))
            for one in self._differences(method, other, protocol, self.metrics)
        ]
        columns = [*(name for name in _CELL if name != "metric"), "metric"]
        values = ["difference", "low", "high", "p", "p_holm", "resolvable"]
        return pd.DataFrame(rows, columns=[*columns, *values])[[*_CELL, *values]]

    def compare(self, method: str, other: str, protocol: str | None = None) -> Image.Image:
        """A picture of the first method minus the other by the headline metric: mean and 95 % interval of each cell.

        Raises SrgridError as `differences`.
        """
        return forest(self._differences(method, other, protocol, self.metrics[:1]))

    def figure(self, dataset: str | None = None, scale: int | None = None) -> Image.Image:
        """The run's comparison figure of a data set and scale; the first that fits what is given.

        Raises SrgridError if the run has none, or it was edited or drawn from other scores.
        """
        again = "draw it again (srgrid figure)"
        for path in sorted((self.path / "figures").glob("*.json")):
            if path.name.endswith(SELECTION):
                continue
            record = read_record(path, "figure", again)
            if dataset not in (None, record["dataset"]) or scale not in (None, record["scale"]):
                continue
            if record["scores_sha256"] != self.scores_sha256:
                raise SrgridError(f"{path}: drawn from other scores than scores.csv; {again}")
            check_files(path.parent, {record["png"]: record["sha256"][record["png"]]}, again)
            with Image.open(path.parent / record["png"]) as picture:
                picture.load()
                return picture.copy()
        what = " ".join(str(one) for one in (dataset, f"x{scale}" if scale else None) if one)
        raise SrgridError(f"{self.path / 'figures'}: holds no figure{f' of {what}' if what else ''}; {again}")

    def _differences(
        self, method: str, other: str, protocol: str | None, metrics: Sequence[Metric]
    ) -> list[Difference]:
        for name in (method, other):
            if name not in self.methods:
                raise SrgridError(f"{self.path}: has no method {name!r}; it has {', '.join(self.methods)}")
        if method == other:
            raise SrgridError(f"{method}: compared with itself; give two methods")
        return differences(self.scores, metrics, [self._protocol(protocol)], [(method, other)])

    def _protocol(self, name: str | None) -> str:
        if name is not None and name not in self.protocols:
            raise SrgridError(f"{self.path}: has no protocol {name!r}; it has {', '.join(self.protocols)}")
        return name or self.protocols[0]

    def _repr_html_(self) -> str:
        """What Jupyter shows: the grid under the first protocol."""
        head = f"{self.path}: {headings(self.metrics)} under {self.protocols[0]}"
        return self.wide().style.set_caption(head).to_html(escape=True)


def _values(one: Difference) -> tuple[float, ...]:
    return one.mean, one.low, one.high, one.p, one.p_holm, one.resolvable


def open_run(folder: str | os.PathLike[str]) -> Run:
    """A run's folder, such as results/published, as a `Run`.

    Raises SrgridError when a table is missing, was edited, or does not follow from the others.
    """
    path = Path(folder)
    record = tables_record(path, TABLE_NAMES)
    metrics = run_metrics(record)
    scores, grid = read_scores(path / "scores.csv", metrics), read_grid(path / "grid.csv", metrics)
    check_fresh(scores, grid, metrics, path / "grid.csv")
    ends = read_intervals(path / "intervals.csv", grid, metrics)
    return Run(path, metrics, grid, scores, ends, record["sha256"]["scores.csv"])


def score_dirs(
    sr: str | os.PathLike[str],
    hr: str | os.PathLike[str],
    scale: int,
    protocol: str | Protocol = "rgb8",
    metrics: Sequence[str] = ("psnr", "ssim"),
) -> pd.DataFrame:
    """Score a folder of SR images against their originals, or one image file: a row an image, a column a metric.

    metrics: as `srgrid score --metrics`. `.mean(numeric_only=True)` of the result is what tables print. Raises
    SrgridError, naming the file, for what cannot be matched, read or scored.
    """
    rule = get_protocol(protocol) if isinstance(protocol, str) else protocol
    chosen = get_metrics(list(metrics))
    rows = score_paths(Path(sr), Path(hr), scale, rule, chosen)
    return pd.DataFrame([{"image": row.image, **row.values} for row in rows])
