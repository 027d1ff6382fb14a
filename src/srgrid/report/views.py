"""The grid as the card's templates show it: rows of printed cells, with the published values beside them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from srgrid.metrics import Metric, Score
from srgrid.report.audit import as_printed, by_cell
from srgrid.report.cardata import CardData
from srgrid.report.published import Published
from srgrid.report.tables import BASELINE, CELL, shown

_FULL_SHADE = 600  # units of the last printed digit: 6 dB

Values = Mapping[Any, Any]
"""What one row of a table holds, by column."""


@dataclass(frozen=True)
class ValueView:
    """One printed value: the metric's, and whether it is the best of its row, or the best but for that."""

    text: str
    best: bool
    second: bool = False


@dataclass(frozen=True)
class CellView:
    """One printed cell, or the reason why it is missing.

    values: one of each metric. interval, gain, gain_interval: of the headline metric; gain is over bicubic. sort: the
    headline's value.
    """

    method: str
    missing: str = ""
    values: list[ValueView] = field(default_factory=list)
    interval: str = ""
    gain: str = ""
    gain_interval: str = ""
    note: str = ""
    sort: float = float("nan")


@dataclass(frozen=True)
class PublishedView:
    """A published value beside a row: whether it compares under the row's protocol, and whether it came out again."""

    value: Published
    comparable: bool
    remade: str = ""


@dataclass(frozen=True)
class RowView:
    """A row of the grid: dataset, scale and protocol, with a cell per method."""

    dataset: str
    scale: int
    protocol: str
    images: int
    cells: list[CellView]
    published: list[PublishedView] = field(default_factory=list)


def rows(data: CardData) -> list[RowView]:
    """Every row of the grid in the order of the config, protocol by protocol, but for those the run leaves out."""
    means = data.grid.set_index(CELL).to_dict("index")
    scores = by_cell(data.grid)
    ends = data.intervals.set_index(CELL).to_dict("index")
    found = []
    for protocol in data.order["protocol"]:
        for dataset in data.order["dataset"]:
            for scale in data.order["scale"]:
                if (dataset, scale) in data.left_out:
                    continue
                keys = {method: (dataset, scale, method, protocol) for method in data.order["method"]}
                present = {method: means[key] for method, key in keys.items() if key in means}
                cells = [_cell(data, key, present, ends.get(key, {})) for key in keys.values()]
                images = next((int(values["images"]) for values in present.values()), 0)
                beside = _published(data, dataset, scale, protocol, scores)
                found.append(RowView(dataset, scale, protocol, images, cells, beside))
    return found


def _cell(data: CardData, key: tuple[Any, ...], present: Mapping[Any, Values], ends: Values) -> CellView:
    method, head = key[2], data.headline
    if method not in present:
        return CellView(method, missing=data.missing[key])
    gain = ends[f"{head.name}_gain"]
    return CellView(
        method,
        values=[_value(metric, method, present) for metric in data.metrics],
        interval=_range(ends, head.name, f".{head.printed}f"),
        gain="" if pd.isna(gain) else f"{gain:+z.{head.printed}f}",
        gain_interval=_range(ends, f"{head.name}_gain", f"+.{head.printed}f"),
        note="" if pd.isna(ends["note"]) else str(ends["note"]),
        sort=float(present[method][head.name]),
    )


def _value(metric: Metric, method: str, present: Mapping[Any, Values]) -> ValueView:
    value = present[method][metric.name]
    rank = metric.rank(value, [values[metric.name] for values in present.values()])
    return ValueView(shown(metric, value), rank == 1, rank == 2)


def _range(ends: Values, name: str, form: str) -> str:
    low, high = ends[f"{name}_low"], ends[f"{name}_high"]
    return "" if pd.isna(low) or pd.isna(high) else f"{low:{form}} to {high:{form}}"


def _published(
    data: CardData, dataset: str, scale: int, protocol: str, scores: Mapping[tuple[str, int, str, str], Score]
) -> list[PublishedView]:
    """Those that compare under this protocol; beside the headline's rows, the others too."""
    found = []
    for value in data.published:
        if (value.dataset, value.scale) != (dataset, scale):
            continue
        comparable = value.protocol == protocol
        if comparable or protocol == data.protocol:
            own = scores.get((dataset, scale, value.method, value.protocol))
            found.append(PublishedView(value, comparable, "" if own is None else verdict(value, own)))
    return found


def verdict(value: Published, own: Score) -> str:
    """Whether a re-made mean prints as published; otherwise by how much it differs."""
    if as_printed(own, value.text) == value.text:
        return "re-made to every printed digit"
    return f"re-made {own.psnr - value.psnr:+z.2f} dB, {own.ssim - value.ssim:+z.4f}"


def gain_matrix(data: CardData, table: Iterable[RowView]) -> list[dict[str, Any]]:
    """Per dataset and scale, headline protocol: the best method's gain over bicubic, or why there is none.

    table: the grid's `rows`.
    """
    held = {(row.dataset, row.scale): row.cells for row in table if row.protocol == data.protocol}
    matrix = []
    for dataset in data.order["dataset"]:
        for scale in data.order["scale"]:
            cells = held.get((dataset, scale), [])
            gained = [cell for cell in cells if cell.gain]
            best = max(gained, key=lambda cell: data.headline.sign * cell.sort, default=None)
            base = next((cell for cell in cells if cell.method == BASELINE and not cell.missing), None)
            absent = data.left_out.get((dataset, scale), "missing")
            shade = _shade(data.headline, best, base)
            matrix.append(
                {"dataset": dataset, "scale": scale, "cell": best, "base": base, "absent": absent, "shade": shade}
            )
    return matrix


def _shade(metric: Metric, cell: CellView | None, base: CellView | None) -> float:
    """How strongly a cell of the matrix is coloured, 0 to 0.8, by how far it is better than bicubic."""
    if cell is None or base is None:
        return 0
    better: float = metric.sign * (cell.sort - base.sort) * 10**metric.printed / _FULL_SHADE
    return min(max(better, 0.04), 0.8)


@dataclass(frozen=True)
class Effect:
    """One protocol choice: its change of PSNR (dB) and SSIM in every cell, as texts, and their range over the cells."""

    about: str
    psnr: list[str]
    ssim: list[str]
    psnr_range: str
    ssim_range: str


def effect_cells(data: CardData) -> list[str]:
    """The cells that the audit's choices were measured on, as "Set5 x2", in order."""
    if data.effects is None:
        return []
    return list(dict.fromkeys(f"{row['dataset']} x{row['scale']}" for row in data.effects.to_dict("records")))


def audit_effects(data: CardData) -> list[Effect]:
    """What each protocol choice of the audit moves every cell by; lists run over `effect_cells`."""
    if data.effects is None:
        return []
    found = []
    for about, table in data.effects.groupby("about", sort=False):
        psnr, ssim = list(table["psnr_change"]), [f"{float(value):+z.4f}" for value in table["ssim_change"]]
        found.append(Effect(str(about), psnr, ssim, _span(psnr), _span(ssim)))
    return found


def _span(changes: list[str]) -> str:
    low, high = min(changes, key=float), max(changes, key=float)
    if float(low) == float(high) == 0:
        return "none"
    return low if low == high else f"{low} to {high}"


def audit_verdicts(data: CardData) -> dict[str, int]:
    """How often each verdict of the audit was reached, most frequent first."""
    if data.audit is None or "verdict" not in data.audit:
        return {}
    counts = data.audit["verdict"].value_counts(sort=False)
    return {str(k): int(v) for k, v in sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))}
