"""Write docs/shelf.md, what becomes of printed values when the authors' own weights are run, from results/shelf*.

python tools/shelf.py
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from srgrid.files import staged_file
from srgrid.records import read_record
from srgrid.report.audit import DIFFERS, EXPLAINED, REPRODUCED
from srgrid.report.costs import read_costs
from srgrid.report.literature import literature
from srgrid.report.outcome import Outcome, outcomes
from srgrid.report.tables import recorded_grid

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/shelf.md"
RUNS = tuple(ROOT / "results" / name for name in ("shelf-x2", "shelf-x3", "shelf"))
CHOICES = tuple(ROOT / "results" / f"shelf-choices-x{scale}" for scale in (2, 3, 4))
BICUBIC = ROOT / "results/bicubic"
SETS = ("Set5", "Set14", "BSD100", "Urban100")
# Where each network's weights are from, with their licence.
FROM = {
    "dctlsa": ("zengkun301/DCTLSA", "Apache-2.0"),
    "rlfn": ("bytedance/RLFN", "Apache-2.0"),
    "carn-m": ("nmhkahn/CARN-pytorch", "MIT"),
    "rfdn": ("njulj/RFDN", "MIT"),
}

HEAD = """\
# The reference shelf

This page is written by `tools/shelf.py` from the tables of three runs, `results/shelf` (x4), `results/shelf-x3` and
`results/shelf-x2`. They score networks of other groups by the weights that their authors released, on Set5, Set14,
BSD100 and Urban100, and compare them with the values that papers print ([literature.md](literature.md)). DCTLSA was
not run at x2: it takes a core 46 s for an image of Urban100, and no printed value is known to compare with. Three more
runs, `results/shelf-choices-x2`, `-x3` and `-x4`, try the single choices on the networks of which a value is printed.
`results/bicubic` makes bicubic as the printed columns have it.

The weights are not part of srgrid. With them at `weights/` (the table has where they are from), these commands make the
runs again:

```bash
pip install '.[zoo]'  # for DCTLSA
for name in shelf shelf-x3 shelf-x2 bicubic; do snakemake --cores 8 --configfile config/$name.yaml; done
for scale in 2 3 4; do snakemake --cores 8 --configfile config/shelf-choices-x$scale.yaml; done
```

## The networks

{networks}

## Their size

Counted, and as printed with the values (multiply-adds for an output of 1280 x 720).

{sizes}

## What becomes of the printed values

{counts}

A value is reproduced if PSNR and SSIM have every printed digit, rounded or with the further ones cut off. It is
explained if it comes out under another protocol than its own. For networks these are, at every scale,
{protocols}.
For bicubic they are `luma8`, `literature`, `audit-bicubic-luma` and `audit-luma-offset`, at every scale; the other
single choices bring out none of its values ([effects.csv](../results/published/effects.csv)). The last column counts
the values whose PSNR, taken alone, comes out under their own protocol.

{findings}
"""
FINDINGS = """\
- **RLFN**: the files have the printed numbers of parameters. At x4 three of four values come out by PSNR, SSIM is up to
  0.0004 higher here, and on Urban100 PSNR is 0.011 dB higher. At x2 Set5 comes out to every digit and Set14 by PSNR;
  BSD100 and Urban100 are 0.02 and 0.03 dB higher here.
- **RFDN**: `RFDN_AIM.pth` is not the file that the paper scored. It has 433,448 parameters where the paper prints
  550K, and no value comes out, nor does PSNR alone: Set5 lies 0.08 dB below, the other sets 0.04 dB above.
- **CARN-M**: every value of torchSR's table comes out by PSNR. Its SSIM is of a Y without the offset of 16, as in
  torchSR's code (`torchsr/train/helpers.py`): under `audit-luma-offset` five values more come out, seven of ten in all.
  Of Set14 x3 the further digits are cut off in PSNR and rounded in SSIM. On BSD100 at x3 and x4 SSIM is 0.0002 higher
  here, and nothing that was tried says why. The paper's own table was not found in a place that one can name.
- **DCTLSA**: no table was found in a place that one can name, so its cells stand without a verdict.
- **Bicubic**: 12 of the 15 distinct values come out under `audit-bicubic-luma`; [literature.md](literature.md) says
  what it is, and that it was found by trying. Where DyRSRNet prints something else than the others at x3, two of three
  values (Set5, BSD100) come out under `audit-luma-offset`: bicubic on 8-bit RGB, and SSIM of a Y without its offset.
  That, too, was found by trying every choice. Its Set14 comes out under the first with its further digits cut off,
  which may be chance. What does not come out is Urban100 x3, by 0.000005 of SSIM.
  [The audit](../results/published/audit.csv) has another table, whose values come out to every digit under `luma8`.
"""


def main() -> None:
    with staged_file(PAGE) as staged:
        staged.write_text(text())


def text() -> str:
    """What the page holds."""
    grid, found = grids(), verdicts()
    networks = [method for method in FROM if method in set(grid["method"])]
    others = sorted(set(grid[grid["method"] != "bicubic"]["protocol"]) - {"literature"})
    head = HEAD.format(
        networks=_networks(networks),
        sizes=_sizes(),
        counts=counts(),
        protocols=textwrap.fill(", ".join(f"`{name}`" for name in others), 119, break_on_hyphens=False),
        findings=FINDINGS,
    )
    parts = [_network(method, grid, [one for one in found if one.cell.method == method]) for method in networks]
    bicubic = [one for one in found if one.cell.method == "bicubic"]
    return "\n".join([head, *parts, "## Bicubic", "", *_outcomes(bicubic)])


def grids() -> pd.DataFrame:
    """The runs' grids as one."""
    return pd.concat([recorded_grid(run / "grid.csv") for run in (*RUNS, *CHOICES, BICUBIC)], ignore_index=True)


def verdicts() -> list[Outcome]:
    """What becomes of every printed value that the shelf re-makes."""
    return outcomes(literature(), grids())


def _networks(networks: Iterable[str]) -> str:
    """Where the weights are from, and their digests, of the runs' records."""
    used: dict[str, dict[str, list[str]]] = {}
    for run in RUNS:
        record = read_record(run / "provenance.json", "provenance", f"make {run} again")
        for column, weights in record["weights"].items():
            method, scale = column.split()
            digest = weights["config"].get("weights_sha256") or weights["sha256"]  # of an entry's own file
            used.setdefault(method, {}).setdefault(digest, []).append(scale)
    lines = [*_row("network", "weights of", "licence", "scales", "sha256"), *_row(*["---"] * 5)]
    for method in networks:
        repository, licence = FROM[method]
        for digest, scales in used[method].items():
            link = f"[{repository}](https://github.com/{repository})"
            lines += _row(method, link, licence, ", ".join(scales), f"`{digest}`")
    return "\n".join(lines)


def _sizes() -> str:
    """Parameters and multiply-adds as the runs counted them, beside those that are printed."""
    head = ("network", "scale", "parameters", "printed", "multiply-adds", "printed")
    lines = [*_row(*head), *_row(*["---"] * len(head))]
    for cost in (cost for run in RUNS for cost in read_costs(run / "costs.csv") if cost.method in FROM):
        cells = [cell for cell in literature() if (cell.method, cell.scale) == (cost.method, cost.scale)]
        keys = ("parameters", "multiply_adds")
        texts = {key: dict.fromkeys(filter(None, (getattr(cell, key) for cell in cells))) for key in keys}
        counted = (f"{cost.parameters:,}", f"{(cost.multiply_adds or 0) / 1e9:.1f}G")
        pairs = [
            word for number, text in zip(counted, texts.values(), strict=True) for word in (number, ", ".join(text))
        ]
        lines += _row(cost.method, f"{cost.scale}x", *pairs)
    return "\n".join(lines)


def counts() -> str:
    """How many printed values of each column come out, are explained, or do not."""
    found = verdicts()
    head = ("column", "printed values", "reproduced", "explained", "not reproduced", "PSNR comes out")
    lines = [*_row(*head), *_row(*["---"] * len(head))]
    for method in dict.fromkeys(one.cell.method for one in found):
        own = [one for one in found if one.cell.method == method]
        outcome = Counter(one.verdict for one in own)
        numbers = [outcome[name] for name in (REPRODUCED, EXPLAINED, DIFFERS)]
        lines += _row(method, *map(str, (len(own), *numbers, sum(one.psnr_holds for one in own))))
    return "\n".join(lines)


def _network(method: str, grid: pd.DataFrame, found: list[Outcome]) -> str:
    """A network's own table, and what becomes of the printed values."""
    own = grid[(grid["method"] == method) & (grid["protocol"] == "literature")]
    means = {(row["dataset"], row["scale"]): row for row in own.to_dict("records")}
    lines = [f"## {method}", "", *_row("literature", *SETS), *_row(*["---"] * (1 + len(SETS)))]
    for scale in sorted({scale for _, scale in means}):
        rows = [means[name, scale] for name in SETS]
        lines += _row(f"{scale}x", *(f"{row['psnr']:.3f}/{row['ssim']:.5f}" for row in rows))
    return "\n".join([*lines, "", *(_outcomes(found) if found else ["No printed value was found."]), ""])


def _outcomes(found: list[Outcome]) -> list[str]:
    names = ("set", "scale", "printed", "where", "comes out")
    rows = [(one.cell.dataset, f"{one.cell.scale}x", one.cell.text, one.cell.label, str(one)) for one in found]
    return [*_row(*names), *_row(*["---"] * len(names)), *(line for row in rows for line in _row(*row)), ""]


def _row(*words: str) -> list[str]:
    return [f"| {' | '.join(words)} |"]


if __name__ == "__main__":
    main()
