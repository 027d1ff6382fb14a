"""The command that makes a finished run again, and says whether its numbers still come out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from srgrid.cli.data import mirror_option
from srgrid.cli.options import PATH, example, settings_of
from srgrid.configuration import Compute
from srgrid.errors import SrgridError
from srgrid.files import keep_apart


@click.command(
    epilog=example(
        "srgrid verify results/sample --sample all",
        "srgrid verify results/published --sample 10 --seed 3 --mirror MIRROR",
    )
)
@click.argument("run_dir", type=PATH, help="A finished run's results.")
@click.option("--sample", default="4", metavar="N|all", help="How many cells to make again.")
@click.option("--seed", default=0, help="Draws the cells.")
@mirror_option
@settings_of(Compute, "device", "threads", unset=True)
@click.option("--report", type=PATH, help="Write what was found as JSON.")
def verify(run_dir: Path, sample: str, seed: int, mirror: Path | None, report: Path | None, **compute: Any) -> None:
    """Make cells of a finished run again from its inputs, and compare files, scores, figures and card.

    Status 0: all that was compared is as recorded, networks within a stated tolerance. 1: something differs. 2:
    something cannot be checked. Images in a folder are another matter: `srgrid data verify`.
    """
    from srgrid.verification import verify_run

    if report:
        keep_apart(report, *(file for file in run_dir.glob("*") if file.is_file()))
    found = verify_run(run_dir, _count(sample), seed, mirror, **compute)
    if report:
        found.write(report)
    for line in found.lines():
        print(line)
    if found.status:
        sys.exit(found.status)


def _count(text: str) -> int | None:
    """How many cells; None for all. Raises SrgridError for anything else."""
    if text == "all":
        return None
    if not text.isdigit() or not text.isascii() or len(text) > 9:
        raise SrgridError(f"--sample {text}: give a number of cells, or all")
    return int(text)


@click.command(epilog=example('srgrid why "Set5 x4 rcan-bam-s rgb8" --run results/published'))
@click.argument("cell", help='DATASET xSCALE METHOD PROTOCOL, as "Set5 x4 rcan-bam-s rgb8".')
@click.option("--run", "run_dir", type=PATH, default="results/published", help="A finished run's results.")
def why(cell: str, run_dir: Path) -> None:
    """Tell one cell's chain: scores, protocol, SR, weights, LR and HR images, by digests, back to their sources."""
    from srgrid.report.why import why as links

    for line in links(cell, run_dir):
        print(line)


@click.command(epilog=example("srgrid crate results/sample sample-crate"))
@click.argument("run_dir", type=PATH, help="A finished run's results.")
@click.argument("out", type=PATH, help="Folder to make.")
def crate(run_dir: Path, out: Path) -> None:
    """Pack a run's tables, records, figures and card as a Workflow Run RO-Crate, for archives (needs rocrate)."""
    from srgrid.crate import write_crate

    write_crate(run_dir, out)
