"""The command that makes a table without a config."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from srgrid.cli.data import mirror_option
from srgrid.cli.options import PATH, Words, example, metrics, pairs, settings_of
from srgrid.configuration import Compute
from srgrid.errors import SrgridError

if TYPE_CHECKING:
    from srgrid.bench import Benched


@click.command(
    cls=Words,
    epilog=example(
        "srgrid bench rcan-bam-s --dataset Set5 Set14 --scale 4",
        "srgrid bench mine=net.py:make --sr theirs=SR/{dataset}/x{scale} \\\n"
        "    --dataset Set5 --scale 2 4 --out results/mine --card card",
    ),
)
@click.argument(
    "models",
    nargs=-1,
    metavar="[NAME=]MODEL...",
    help="An interpolator, a name, a weights file, a folder, a hub id or a Python entry; before the options.",
)
@click.option("--dataset", multiple=True, required=True, help="Names, or [NAME=]FOLDER/ of HR images of your own.")
@click.option("--scale", "-s", multiple=True, required=True, type=click.IntRange(2, 8), help="Scale factors.")
@click.option("--protocol", multiple=True, default=["rgb8"], help="rgb8, luma8, super-image.")
@click.option("--sr", multiple=True, metavar="NAME=FOLDER", help="Finished SR images, by {dataset} and {scale}.")
@metrics
@click.option("--out", type=PATH, help="Folder for scores.csv, grid.csv and the other tables.")
@click.option("--card", type=PATH, help="Folder for the card, its figures and the tables.")
@click.option("--markdown", is_flag=True, help="Print front matter and tables for a model card.")
@click.option("--latex", is_flag=True, help="Print tables for a paper.")
@mirror_option
@settings_of(Compute, "device", "precision", "threads")
@click.option("--ensemble", is_flag=True, help="x8 self-ensemble.")
@click.option("--rgb-range", multiple=True, metavar="NAME=RANGE", help="1 or 255, where a checkpoint does not tell.")
def bench(
    models: tuple[str, ...],
    dataset: tuple[str, ...],
    scale: tuple[int, ...],
    protocol: tuple[str, ...],
    sr: tuple[str, ...],
    metrics: list[str],
    out: Path | None,
    card: Path | None,
    markdown: bool,
    latex: bool,
    mirror: Path | None,
    ensemble: bool,
    rgb_range: tuple[str, ...],
    **compute: Any,
) -> None:
    """Score models on data sets, in one go: no config. Prints the table, bicubic and published values beside it."""
    from srgrid.bench import bench as run
    from srgrid.bench import configure
    from srgrid.columns import columns, rows

    held = rows(dataset)
    config = configure(
        columns(models, {name: str(path) for name, path in pairs(sr, "--sr", "NAME=FOLDER").items()}, scale),
        list(held),
        list(dict.fromkeys(scale)),
        mirror=str(mirror or ""),
        protocols=list(dict.fromkeys(protocol)),
        metrics=metrics,
        compute=compute,
        upscale={"ensemble": ensemble, "rgb_range": _ranges(rgb_range)},
    )
    folders = {name: folder for name, folder in held.items() if folder}
    made = run(config, folders=folders, out=out, card=card, command=shlex.join(["srgrid", *sys.argv[1:]]))
    _print(made, markdown, latex)
    for path in filter(None, (out, card and card / "model_card.html")):
        print(f"srgrid: {path} is written", file=sys.stderr)


def _print(made: Benched, markdown: bool, latex: bool) -> None:
    """The rows for a model card or a paper, if they are asked for; else the table."""
    from srgrid.report.summary import text

    if markdown:
        from srgrid.report.card import render_grid

        print(render_grid(made.data), end="")
    if latex:
        print(made.latex, end="")
    if not markdown and not latex:
        print(text(made.data))


def _ranges(given: tuple[str, ...]) -> dict[str, int]:
    """The ranges of values of networks, by column."""
    found = {name: str(value) for name, value in pairs(given, "--rgb-range", "NAME=RANGE").items()}
    for name, value in found.items():
        if value not in ("1", "255"):
            raise SrgridError(f"--rgb-range {name}={value}: a range is 1 or 255")
    return {name: int(value) for name, value in found.items()}
