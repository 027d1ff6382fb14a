"""The two tables every report starts from, read strictly and written with fixed formats.

`scores.csv` has one row per image, `grid.csv` one row per cell (dataset x scale x method x protocol).
"""

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from srgrid.errors import SrgridError
from srgrid.files import staged_file
from srgrid.metrics import PSNR_SSIM, Metric
from srgrid.metrics.table import from_records
from srgrid.records import CELL as CELL  # noqa: PLC0414 (the tables' key)
from srgrid.records import tables_record

BASELINE = "bicubic"

Cell = tuple[str, int, str, str]
Metrics = Sequence[Metric]
Reader = tuple[Callable[[str], object], str]
"""Of a cell's text: its value, or None if it has none, and what is expected."""


def run_metrics(tables: Mapping[str, Any]) -> list[Metric]:
    """The metrics that the record of a run's tables names; PSNR and SSIM where it was written before it named any."""
    return from_records(tables["metrics"]) if "metrics" in tables else list(PSNR_SSIM)


def score_columns(metrics: Metrics) -> list[str]:
    """The columns of scores.csv."""
    return [*CELL, "image", *(metric.name for metric in metrics)]


def grid_columns(metrics: Metrics) -> list[str]:
    """The columns of grid.csv."""
    return [*CELL, *(metric.name for metric in metrics), "images"]


def shown(metric: Metric, value: float) -> str:
    """A value as the card prints it."""
    return number(value, metric.printed).replace("inf", "∞")


def score_text(metrics: Metrics, values: Sequence[float]) -> str:
    """One value of each metric, as figures print them: "28.42 / 0.8101"."""
    return " / ".join(shown(metric, value) for metric, value in zip(metrics, values, strict=True))


def headings(metrics: Metrics) -> str:
    """What such a text holds: "PSNR (dB) / SSIM"."""
    return " / ".join(metric.heading for metric in metrics)


def best_methods(metric: Metric, values: Mapping[str, float]) -> set[str]:
    """The methods whose value is the best one, to every digit; none of fewer than two."""
    top = max((metric.sign * value for value in values.values()), default=0)
    return {name for name, value in values.items() if metric.sign * value == top} if len(values) > 1 else set()


def number(value: float, digits: int) -> str:
    """Fixed-point text of a value; `inf` and `-inf` stay, an undefined value (NaN) is an empty field."""
    return "" if np.isnan(value) else f"{value:.{digits}f}"


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write one CSV file (`\\n` line ends); it appears by rename when complete."""
    with staged_file(Path(path)) as staged, staged.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _read(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """A CSV table of exactly these columns, all as text."""
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            head, *rows = csv.reader(file, strict=True)
    except FileNotFoundError:
        raise SrgridError(f"{path} does not exist: make it first, or name another table.") from None
    except (OSError, ValueError, csv.Error) as error:
        raise SrgridError(f"{path} cannot be read as a CSV table ({error}): make it again.") from None
    missing = [name for name in columns if name not in head]
    if missing:
        raise SrgridError(f"{path} has no column {', '.join(missing)}: expected {', '.join(columns)}.")
    if head != list(columns):
        raise SrgridError(f"{path} has the columns {', '.join(head)}: expected {', '.join(columns)}.")
    for number, row in enumerate(rows, 2):
        if len(row) != len(columns):
            raise SrgridError(f"{path}, row {number}: {len(row)} values for {len(columns)} columns; make it again.")
    return pd.DataFrame(rows, columns=list(columns), dtype=str)


_MOST = 1e6
_COUNT = re.compile(r"[1-9][0-9]{0,8}")
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?")


def _count(text: str) -> int | None:
    return int(text) if _COUNT.fullmatch(text) else None


def _value(metric: Metric) -> Reader:
    """A reader of a metric's values, and what it expects. What has no bound may be infinite, or a million."""
    low, high = metric.low, metric.high
    ends = {text: float(text) for text, end in (("-inf", low), ("inf", high)) if end is None}
    least, most = -_MOST if low is None else low, _MOST if high is None else high
    within = f"{low:g} to {high:g}" if low is not None and high is not None else "any"
    if (low is None) != (high is None):
        within = f"{low:g} or more" if low is not None else f"{high:g} or less"
    expected = ", ".join([f"{metric.label} in {metric.unit}" if metric.unit else metric.label, within])

    def parse(text: str) -> float | None:
        return ends[text] if text in ends else _within(text, least, most)

    return parse, " or ".join([expected, *ends])


def _within(text: str, low: float, high: float) -> float | None:
    value = float(text) if _DECIMAL.fullmatch(text) else np.nan
    return value if low <= value <= high else None


def _end(text: str) -> float | None:
    known = {"": np.nan, "inf": np.inf, "-inf": -np.inf}
    return known[text] if text in known else _within(text, -_MOST, _MOST)


def _text(text: str) -> str | None:
    return text or None


_VALUES: dict[str, Reader] = {
    "scale": (_count, "a whole number from 1"),
    "images": (_count, "a whole number from 1"),
    "note": (str, "a text"),
}
_END = (_end, "a number, or nothing where it is not known")
_ENDS = ("_low", "_high", "_gain", "_gain_low", "_gain_high")


def read_table(
    path: Path, columns: Sequence[str], key: Sequence[str], metrics: Metrics, values: Mapping[str, Reader] = {}
) -> pd.DataFrame:
    """A CSV table of exactly these columns, its values typed and within their ranges, its keys distinct.

    values: readers of columns that no other table has.
    """
    frame = _read(path, columns)
    known = {**_VALUES, **values} | {metric.name: _value(metric) for metric in metrics}
    known |= {f"{metric.name}{end}": _END for metric in metrics for end in _ENDS}
    for column in columns:
        parse, expected = known.get(column, (_text, "a name"))
        read = [parse(text) for text in frame[column]]
        if None in read:
            row = read.index(None)
            raise SrgridError(f"{path}, row {row + 2}: {column} is {frame[column].iloc[row]!r}, not {expected}.")
        kinds = {type(value) for value in read} or {str}
        kind = kinds.pop() if len(kinds) == 1 else object
        frame[column] = pd.Series(read, index=frame.index, dtype=frame[column].dtype if kind is str else kind)
    repeated = frame.duplicated(list(key))
    if repeated.any():
        row = int(np.flatnonzero(repeated.to_numpy())[0])
        what = " ".join(str(frame[name].iloc[row]) for name in key)
        raise SrgridError(f"{path}, row {row + 2}: {what} is there twice.")
    return frame


def read_scores(path: Path, metrics: Metrics = PSNR_SSIM) -> pd.DataFrame:
    """Per-image scores: text columns, `scale` int from 1, and a float column for each metric, within its range.

    Raises SrgridError when the file is missing, has other columns, holds a value outside these, or repeats a row.
    """
    return read_table(Path(path), score_columns(metrics), [*CELL, "image"], metrics)


def read_grid(path: Path, metrics: Metrics = PSNR_SSIM) -> pd.DataFrame:
    """The cell means of `grid.csv`, checked as `read_scores` checks its table."""
    return read_table(Path(path), grid_columns(metrics), CELL, metrics)


def recorded_scores(path: Path) -> pd.DataFrame:
    """A run's scores.csv, as `srgrid grid` wrote it: SrgridError if it was edited since (`srgrid.records`)."""
    return read_scores(path, recorded_metrics(path))


def recorded_grid(path: Path) -> pd.DataFrame:
    """A run's grid.csv, as `srgrid grid` wrote it: SrgridError if it was edited since."""
    return read_grid(path, recorded_metrics(path))


def recorded_metrics(path: Path) -> list[Metric]:
    """The metrics of a run's table, of the record beside it: SrgridError if the table was edited since."""
    return run_metrics(tables_record(Path(path).parent, [Path(path).name]))


def same_means(one: pd.DataFrame, other: pd.DataFrame, metrics: Metrics) -> bool:
    """Whether two tables of the same cells hold the same means, to two units of the last stored digit, and images."""
    names = [*(metric.name for metric in metrics), "images"]
    apart = np.array([*(2 * 10.0**-metric.stored for metric in metrics), 0])
    first, second = (table[names].to_numpy(float) for table in (one, other))
    return bool(np.isclose(first, second, rtol=1e-12, atol=apart, equal_nan=True).all())


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
