"""The grid as plain text, for a terminal: a block a row, with a line for each method and each published value."""

from __future__ import annotations

from collections.abc import Iterator

from srgrid.report.cardata import CardData
from srgrid.report.tables import headings
from srgrid.report.views import CellView, RowView, rows

_GAP = "  "


def text(data: CardData) -> str:
    """All rows of the grid, with the published values that compare under the row's protocol."""
    blocks = [_block(data, row) for row in rows(data)]
    notes = [f"In brackets: 95 % bootstrap intervals of {data.headline.label} over the images of a set."]
    notes += [f"{name}: {data.protocols[name].get('about', '')}" for name in data.order["protocol"]]
    return "\n\n".join([*blocks, "\n".join([*notes, *dict.fromkeys(data.left_out.values())])])


def _block(data: CardData, row: RowView) -> str:
    title = f"{row.dataset} x{row.scale} under {row.protocol}, {row.images} image{'s' if row.images != 1 else ''}"
    lines = [(title, headings(data.metrics), data.headline.label, f"{data.headline.label} over bicubic")]
    lines += [_line(cell) for cell in row.cells]
    for beside in row.published:
        if beside.comparable:
            lines.append((f"  {beside.value.method}, {beside.value.label}", beside.value.text, "published", ""))
    return "\n".join(_aligned(lines))


def _line(cell: CellView) -> tuple[str, str, str, str]:
    values = cell.missing or "/".join(value.text for value in cell.values)
    gain = f"{cell.gain} {_bracketed(cell.gain_interval)}" if cell.gain else ""
    return f"  {cell.method}", values, _bracketed(cell.interval), gain.rstrip()


def _bracketed(interval: str) -> str:
    return f"[{interval}]" if interval else ""


def _aligned(lines: list[tuple[str, str, str, str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield _GAP.join(f"{part:<{width}}" for part, width in zip(line, widths, strict=True)).rstrip()
