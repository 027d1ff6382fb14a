"""The grid as a table of LaTeX, with the names that a config gives to methods and with printed values beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from srgrid.errors import SrgridError
from srgrid.files import staged_file
from srgrid.metrics import Metric
from srgrid.references import reference
from srgrid.report.literature import PROTOCOL, column
from srgrid.report.tables import Metrics, distinct, headings, number, recorded_grid, recorded_metrics

_TEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_TEX |= {char: "\\" + char for char in "&%$#_{}"}


@dataclass(frozen=True)
class Words:
    """What a table says beyond the grid.

    names: of methods that are not called as in the grid. beside: networks of the literature, whose printed values are
    columns of the table under the protocol `literature`.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    beside: Sequence[str] = ()


@dataclass(frozen=True)
class _Column:
    head: str
    values: Mapping[tuple[str, int], Sequence[float]]  # of each data set and scale, in the order of the metrics


def tex_text(text: str) -> str:
    """Escape text for LaTeX."""
    return "".join(_TEX.get(char, char) for char in text)


def latex(grid_csv: Path, out_tex: Path, protocol: str | None = None, words: Words | None = None) -> None:
    """Export the grid as a booktabs table (`\\usepackage{booktabs}`), best value of a row in bold, second underlined.

    One table per protocol, or the named one alone. Raises SrgridError when the grid has no such protocol, or the
    literature no such network.
    """
    table, metrics = recorded_grid(grid_csv), recorded_metrics(grid_csv)
    protocols = distinct(table, "protocol")
    if protocol is not None and protocol not in protocols:
        raise SrgridError(f"{grid_csv} has no protocol {protocol!r}: it has {', '.join(protocols)}.")
    chosen = protocols if protocol is None else [protocol]
    said = words or Words()
    text = "\n".join(_table(table[table["protocol"] == name], name, metrics, said) for name in chosen)
    with staged_file(Path(out_tex)) as staged:
        staged.write_text(text, encoding="utf-8")


def _table(table: pd.DataFrame, protocol: str, metrics: Metrics, words: Words) -> str:
    rows = [(str(dataset), int(scale)) for dataset, scale in table[["dataset", "scale"]].drop_duplicates().to_numpy()]
    printed, sources = _printed(words.beside, metrics) if protocol == PROTOCOL else ([], "")
    columns = [*printed, *_measured(table, words.names)]
    lines = [r"\begin{table}", r"\centering",
             rf"\caption{{{tex_text(headings(metrics))} under the {tex_text(protocol)} protocol. "
             rf"Best in bold, second best underlined.{sources}}}",
             rf"\label{{tab:srgrid-{''.join(c if c.isalnum() else '-' for c in protocol)}}}",
             r"\begin{tabular}{ll" + "c" * len(columns) + "}", r"\toprule",
             " & ".join(["Dataset", "Scale", *(column.head for column in columns)]) + r" \\"]  # fmt: skip
    previous = None
    for dataset, scale in rows:
        lines += [r"\midrule"] if dataset != previous else []
        name = tex_text(dataset) if dataset != previous else ""
        known = [one.values[dataset, scale] for one in columns if (dataset, scale) in one.values]
        texts = (_cell(one.values.get((dataset, scale)), known, metrics) for one in columns)
        lines.append(" & ".join([name, rf"$\times{scale}$", *texts]) + r" \\")
        previous = dataset
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _measured(table: pd.DataFrame, names: Mapping[str, str]) -> list[_Column]:
    found: dict[str, dict[tuple[str, int], Sequence[float]]] = {method: {} for method in distinct(table, "method")}
    for dataset, scale, method, _, *values, _ in table.itertuples(index=False, name=None):
        found[method][dataset, scale] = values
    return [_Column(tex_text(names.get(method, method)), values) for method, values in found.items()]


def _printed(networks: Sequence[str], metrics: Metrics) -> tuple[list[_Column], str]:
    """Columns of printed values, and the sentence that says where they are from."""
    columns: list[_Column] = []
    sources: dict[str, str] = {}
    for network in networks:
        cells = column(network)
        values = {place: [_as_metric(cell, metric) for metric in metrics] for place, cell in cells.items()}
        columns.append(_Column(tex_text(network) + r"$^\ast$", values))
        sources |= {cell.cite: tex_text(reference(cell.cite).short) for cell in cells.values()}
    return columns, rf" $^\ast$As printed: {', '.join(sources.values())}." if sources else ""


def _as_metric(cell: object, metric: Metric) -> float:
    """A printed value of a metric; NaN for one that papers do not print."""
    return float(getattr(cell, metric.name, "nan"))


def _cell(values: Sequence[float] | None, known: Sequence[Sequence[float]], metrics: Metrics) -> str:
    if values is None:
        return "missing"
    texts = []
    for metric, value, others in zip(metrics, values, zip(*known, strict=True), strict=True):
        text = number(value, metric.printed).replace("inf", r"$\infty$")
        rank = metric.rank(value, others)
        texts.append({1: rf"\textbf{{{text}}}", 2: rf"\underline{{{text}}}"}.get(rank, text))
    return "/".join(texts)
