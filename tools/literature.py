"""Write docs/literature.md, the page of printed values, from src/srgrid/report/literature.yaml.

python tools/literature.py
"""

from __future__ import annotations

import csv
from itertools import groupby
from pathlib import Path

import shelf

from srgrid.files import staged_file
from srgrid.references import reference
from srgrid.report.literature import literature
from srgrid.report.published import Published

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/literature.md"
GRID, EFFECTS = ROOT / "results/bicubic/grid.csv", ROOT / "results/published/effects.csv"
BICUBIC = ("rgb8", "audit-bicubic-luma")
SETS = ("Set5", "Set14", "BSD100", "Urban100")

HEAD = """\
# The literature

This page is written by `tools/literature.py` from `src/srgrid/report/literature.yaml`: {values} printed values of
{networks} networks and of bicubic, from {sources} tables.

Each value was read in the place that is named above its table, and stands here with the digits that it has there. Where
a paper's own table could not be read, a source that quotes it is named. If sources print different values for one
network, all stand here. What no source was found for is left out. PSNR is in dB. Training set, parameters and
multiply-adds (for an output of 1280 x 720) are there if the same source prints them.

## Grey images

Set14 has one grey image, `bridge`. Scripts for networks take it for a colour image: three equal channels, converted to
Y. That compresses its luma from 0..255 to 16..235, and every error with it: PSNR rises by 20 log10(255/219) = 1.32 dB
on this image. The printed bicubic columns score it on its own values. So the two columns of a paper stand under two
protocols:

- `literature` is `rgb8` with grey images tiled to RGB: the networks below;
- `rgb8` scores grey images on their own values: bicubic below.

Measured on bicubic, tiling moves Set14 by this much, and the other sets by nothing:

{effects}

A printed gain over bicubic on Set14 is too large by that. Two networks compare with each other; a network and bicubic
do not. To hold a run against this page, score it under both: `protocols: [literature, rgb8]`.

## A run among these values

A run that is scored under `literature` has a part "Among the literature" in its card: the PSNR of each of its networks,
its place among the printed values of the same data set and scale, and the next higher one. Of each network and training
set the first source counts. The page plots PSNR against parameters, or multiply-adds, with these networks beside the
run's own. `srgrid check` holds a printed value against every protocol ([comparing.md](comparing.md)).

## How many come out

The printed bicubic columns, and the networks whose authors' weights were run ([shelf.md](shelf.md) has each value):

{counts}

## Bicubic, printed and re-made

Re-made is bicubic of `results/bicubic`: under `rgb8`, and of the luma alone (`audit-bicubic-luma`,
[protocols.md](protocols.md)): HR's 8-bit luma made smaller and larger again in floating point, LR never rounded, the
result clipped to 16..235, rounded once and compared with HR's 8-bit luma.

No paper was found that says so. The recipe was found by trying some dozen variants on Set5, Set14 and BSD100. Test
scripts in public repositories prepare the input of VDSR (Kim et al. 2016) and of its contemporaries in this way; which
script wrote the printed bicubic is not known. It is not one choice but four that were made at once: luma alone, LR not
rounded, the clipping, and the border mirrored, as later versions of MATLAB do. The border was chosen by the values:
with the border's pixels repeated Set14 x4 would be 26.007, and only that cell tells the two apart. Urban100 was scored
after the first three were settled. The 32 printed values are 15 distinct ones; 12 of these come out so. Two more, of
DyRSRNet at x3, come out under `audit-luma-offset`, as bicubic on 8-bit RGB with SSIM of a Y without its offset.

{bicubic}

## The tables
"""


def main() -> None:
    with staged_file(PAGE) as staged:
        staged.write_text(text())


def text() -> str:
    """What the page holds."""
    cells = literature()
    counts = {
        "values": len(cells),
        "networks": len({cell.method for cell in cells} - {"bicubic"}),
        "sources": len({cell.source for cell in cells}),
    }
    head = HEAD.format(effects=_effects(), bicubic=_bicubic(cells), counts=shelf.counts(), **counts)
    parts = [_source(list(of_source)) for _, of_source in groupby(cells, lambda cell: cell.source)]
    return "\n".join([head, *parts])


def _source(cells: list[Published]) -> str:
    first = cells[0]
    title = first.title[0].upper() + first.title[1:]
    read = f" Read: {first.read}." if first.read else ""
    lines = [
        f"### {first.label}",
        "",
        f"[{title}]({first.url}), {first.table}; {reference(first.cite).short}.{read}",
        "",
        *_row("network", "training", "scale", "parameters", "multiply-adds", "protocol", *SETS),
        *_row(*["---"] * (6 + len(SETS))),
    ]
    columns = sorted(cells, key=lambda cell: (cells.index(_first(cells, cell)), cell.scale))
    for _, row in groupby(columns, lambda cell: (cell.method, cell.training, cell.scale)):
        values = {cell.dataset: cell for cell in row}
        one = next(iter(values.values()))
        said = (one.training, f"{one.scale}x", one.parameters, one.multiply_adds, one.protocol)
        lines += _row(one.method, *said, *(values[name].text if name in values else "" for name in SETS))
    notes = dict.fromkeys(f"{cell.method}: {cell.note}" for cell in cells if cell.note)
    return "\n".join([*lines, "", *[f"- {note}" for note in notes], *([""] if notes else [])])


def _first(cells: list[Published], like: Published) -> Published:
    """The first cell of the same column."""
    return next(cell for cell in cells if (cell.method, cell.training) == (like.method, like.training))


def _effects() -> str:
    with EFFECTS.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if (row["choice"], row["dataset"]) == ("grey-tiled", "Set14")]
    lines = [*_row("Set14", "bicubic, rgb8", "PSNR", "SSIM"), *_row(*["---"] * 4)]
    for row in rows:
        lines += _row(f"{row['scale']}x", row["psnr_before"], row["psnr_change"], row["ssim_change"])
    return "\n".join(lines)


def _bicubic(cells: list[Published]) -> str:
    with GRID.open(newline="") as file:
        made = {
            (row["dataset"], int(row["scale"]), row["protocol"]): f"{float(row['psnr']):.3f}/{float(row['ssim']):.5f}"
            for row in csv.DictReader(file)
        }
    printed = {(c.source, c.dataset, c.scale): c for c in cells if c.method == "bicubic"}
    sources = {cell.source: cell.label for cell in printed.values()}
    names = ("set", "scale", "rgb8", "luma alone", *sources.values())
    lines = [*_row(*names), *_row(*["---"] * len(names))]
    for name in SETS:
        for scale in (2, 3, 4):
            texts = [printed[at, name, scale].text if (at, name, scale) in printed else "" for at in sources]
            lines += _row(name, f"{scale}x", *(made[name, scale, protocol] for protocol in BICUBIC), *texts)
    return "\n".join(lines)


def _row(*words: str) -> list[str]:
    return [f"| {' | '.join(words)} |"]


if __name__ == "__main__":
    main()
