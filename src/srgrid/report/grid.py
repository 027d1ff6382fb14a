"""Per-cell score files -> scores.csv -> grid.csv, and the grid with a row for each data set and scale."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from srgrid.code import code_identity
from srgrid.errors import SrgridError
from srgrid.metrics import PSNR_SSIM
from srgrid.metrics.table import to_records
from srgrid.records import TABLE_NAMES, TABLES, file_digest, write_record
from srgrid.report.cells import check_agreement, cut_up, devices, read_cells
from srgrid.report.intervals import intervals
from srgrid.report.tables import (
    CELL,
    Metrics,
    check_same_images,
    distinct,
    grid_columns,
    number,
    order_key,
    read_scores,
    recorded_grid,
    recorded_metrics,
    score_columns,
    write_csv,
)

Order = Mapping[str, Sequence[Any]]


def make_grid(parts: Sequence[Path], out_dir: Path, order: Order | None = None) -> None:
    """Make scores.csv, grid.csv and intervals.csv of scored cells, and tables.json, the record that binds them.

    tables.json holds their digests, the metrics, and what the cells were made of (see `cells.check_agreement`);
    whatever reads the tables compares them with it. Raises SrgridError as `collect` does, and when a cell was edited
    after it was scored or the cells do not go together.
    """
    scored = read_cells(parts)
    made_of = check_agreement(scored)
    metrics = scored[0].metrics if scored else PSNR_SSIM
    out_dir = Path(out_dir)
    scores = out_dir / "scores.csv"
    collect(parts, scores, order, metrics)
    grid(scores, out_dir / "grid.csv", metrics)
    intervals(scores, out_dir / "intervals.csv", metrics)
    digests = {name: file_digest(out_dir / name) for name in TABLE_NAMES}
    made_of["code"]["grid"] = code_identity("srgrid.report.grid")
    own: dict[str, Any] = {"sha256": digests, "devices": devices(scored), "metrics": to_records(metrics)}
    if tiles := cut_up(scored):
        own["tiles"] = tiles
    write_record(out_dir / TABLES, "tables", own | made_of)


def collect(parts: Sequence[Path], out: Path, order: Order | None = None, metrics: Metrics = PSNR_SSIM) -> None:
    """Put per-cell score files together as one `scores.csv`.

    `order` gives the values of `dataset`, `scale`, `method` and `protocol` in the order of the config; without it the
    order of first appearance holds. Images keep the order of their file.
    Raises SrgridError on no files, a missing column, a value that is no number, a row that is there twice, a value the
    order does not know, or methods that do not cover the same images.
    """
    if not parts:
        raise SrgridError(f"No score files for {out}: score at least one cell first.")
    read = [read_scores(Path(part), metrics) for part in parts]
    scores = pd.concat(read, ignore_index=True)
    repeated = scores.duplicated([*CELL, "image"])
    if repeated.any():
        row = scores[repeated].iloc[0]
        holders = [str(part) for part, frame in zip(parts, read, strict=True) if _holds(frame, row)]
        raise SrgridError(f"{row['dataset']} x{row['scale']} {row['method']} {row['protocol']}: image {row['image']} "
                          f"is scored twice ({', '.join(holders)}): keep one.")  # fmt: skip
    check_same_images(scores, "The score files")
    scores = _sorted(scores, order) if order is not None else scores
    rows = ([*row[:5], *_stored(row[5:], metrics)] for row in scores.itertuples(index=False, name=None))
    write_csv(out, score_columns(metrics), rows)


def _stored(values: Sequence[float], metrics: Metrics) -> list[str]:
    return [number(value, metric.stored) for metric, value in zip(metrics, values, strict=True)]


def _holds(frame: pd.DataFrame, row: "pd.Series[Any]") -> bool:
    return bool((frame[[*CELL, "image"]] == row[[*CELL, "image"]]).all(axis=1).any())


def _sorted(scores: pd.DataFrame, order: Order) -> pd.DataFrame:
    ranks = pd.DataFrame(index=scores.index)
    for column in CELL:
        if column not in order:
            raise SrgridError(f"The order of the scores has no {column}: give dataset, scale, method and protocol.")
        ranks[column] = scores[column].astype(str).map(order_key(order, column))
        unknown = ranks[column].isna()
        if unknown.any():
            value = scores[column][unknown].iloc[0]
            raise SrgridError(f"The scores hold the {column} {value!r}, which the config does not name.")
    return scores.loc[ranks.sort_values(CELL, kind="stable").index]


def grid(scores_csv: Path, out_csv: Path, metrics: Metrics = PSNR_SSIM) -> None:
    """Compute `grid.csv` from `scores.csv`: per cell the mean of each metric over images and their number."""
    scores = read_scores(scores_csv, metrics)
    if scores.empty:
        raise SrgridError(f"{scores_csv} has no rows: score at least one cell first.")
    means = {metric.name: (metric.name, "mean") for metric in metrics}
    table = scores.groupby(CELL, sort=False).agg(**means, images=("image", "size"))
    rows = (
        [*cell, *_stored(values, metrics), count]
        for cell, (*values, count) in zip(table.index, table.itertuples(index=False), strict=True)
    )
    write_csv(out_csv, grid_columns(metrics), rows)


def wide(grid_csv: Path, out_csv: Path) -> None:
    """Export the grid with one row per dataset, scale and protocol, and a column of each metric per method.

    A cell that was not run reads `missing`.
    """
    table, metrics = recorded_grid(grid_csv), recorded_metrics(grid_csv)
    methods = distinct(table, "method")
    found = {tuple(row[:4]): row for row in table.itertuples(index=False, name=None)}
    columns = ["dataset", "scale", "protocol", "images", *(f"{m} {metric.name}" for m in methods for metric in metrics)]
    rows: list[list[object]] = []
    for dataset, scale, protocol in table[["dataset", "scale", "protocol"]].drop_duplicates().itertuples(index=False):
        row: list[object] = []
        images = 0
        for method in methods:
            cell = found.get((dataset, scale, method, protocol))
            row += ["missing"] * len(metrics) if cell is None else _stored(cell[4:-1], metrics)
            images = images if cell is None else cell[-1]
        rows.append([dataset, scale, protocol, images, *row])
    write_csv(out_csv, columns, rows)
