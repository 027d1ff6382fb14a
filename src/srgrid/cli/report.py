"""Commands from tables and images to the card."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from srgrid.cli.options import PATH, by_column, config_option, example, json_option, pairs, scale
from srgrid.errors import SrgridError
from srgrid.files import keep_apart


@click.command(
    epilog=example(
        "srgrid figure scores.csv HR_DIR Set5_x4.png --scale 4 --dataset Set5 \\\n"
        "    --protocol rgb8 --sr bicubic=SR_DIR --row 178",
    )
)
@click.argument("scores", type=PATH, help="scores.csv of the run.")
@click.argument("hr_dir", type=PATH, help="HR images.")
@click.argument("out", type=PATH, help="The figure, .png; .pdf and two .json are written beside it.")
@scale
@click.option("--dataset", required=True)
@click.option("--protocol", required=True)
@click.option("--sr", multiple=True, required=True, help="METHOD=FOLDER of SR images; in the order shown.")
@click.option("--previews", type=PATH, help="Folder to make for the page's compare view.")
@click.option("--row", type=click.FloatRange(min=20), metavar="MM", help="For a paper: crops in a row, MM wide.")
@click.option("--crop", type=int, help="Side of the crop in HR pixels.")
@click.option("--count", type=click.IntRange(min=1), default=3, help="Images in the compare view.")
@click.option("--whole/--no-whole", default=True, help="Show whole images, not crops alone.")
@json_option("--show", "JSON object: images to show, each with [x, y, width, height] or null.")
def figure(
    scores: Path,
    hr_dir: Path,
    out: Path,
    scale: int,
    dataset: str,
    protocol: str,
    sr: tuple[str, ...],
    previews: Path | None,
    row: float | None,
    crop: int | None,
    count: int,
    whole: bool,
    show: dict[str, Any],
) -> None:
    """Draw a data set's comparison figure and prepare the page's previews."""
    from srgrid.records import SELECTION
    from srgrid.report.figures import show as draw
    from srgrid.report.selection import Wanted
    from srgrid.report.sources import open_cell

    if out.suffix != ".png":
        raise SrgridError(f"{out}: a figure is written as .png, with .pdf and .json beside it; choose such a name")
    folders = pairs(sr, "--sr")
    made = [out.with_suffix(suffix) for suffix in (".png", ".pdf", ".json", SELECTION)]
    for target in [*made, *([previews] if previews else [])]:
        keep_apart(target, scores, hr_dir, *folders.values())
    cell = open_cell(scores, hr_dir, folders, dataset=dataset, scale=scale, protocol=protocol)
    boxes = {image: tuple(box) if box else None for image, box in show.items()}
    draw(cell, Wanted(count, crop, boxes), out, previews, whole, row)


@click.command(epilog=example("srgrid provenance results/mine/provenance.json --input resources/HR/Set5"))
@click.argument("out", type=PATH, help="provenance.json, beside the run's tables.")
@click.option("--input", "inputs", type=PATH, multiple=True, required=True, help="Folders of HR images.")
@config_option("--config")
@click.option("--weights", multiple=True, metavar="METHOD:SCALE=FILE", help="Weights that were used.")
@json_option("--missing", "JSON list of cells that are not run, and why.", list)
@click.option("--command", default="", help="What re-makes the run.")
def provenance(
    out: Path,
    inputs: tuple[Path, ...],
    config: dict[str, Any],
    weights: tuple[str, ...],
    missing: list[Any],
    command: str,
) -> None:
    """Write down what made a run's results: versions, commit, config, hardware, digests."""
    from srgrid.provenance import write_provenance
    from srgrid.records import TABLE_NAMES, TABLES

    used = {column: Path(path) for column, path in by_column(weights, "--weights").items()}
    keep_apart(out, *inputs, *used.values(), *(out.parent / name for name in (*TABLE_NAMES, TABLES)))
    write_provenance(out, config, list(inputs), used, missing, command)


@click.command(
    epilog=example(
        "srgrid card results/mine",
        "srgrid card --check README.md results/mine",
        "srgrid card results/mine --for rcan-bam-s --out my-model --push me/my-model",
    )
)
@click.argument("run_dir", type=PATH, help="A run's results.")
@click.option("--templates", type=PATH, help="Folder of Jinja2 templates that replace ours.")
@click.option("--check", type=PATH, metavar="CARD", help="Write nothing: compare this Markdown card with the run.")
@click.option("--for", "method", metavar="METHOD", help="A card of this model alone, as README.md of --out.")
@click.option("--out", type=PATH, help="Folder for the model: card, eval results, weights if they are here.")
@click.option("--push", "hub", metavar="ID", help="Upload to this repository of the Hugging Face hub, too.")
@click.option("--pr", is_flag=True, help="Upload as a pull request.")
def card(
    run_dir: Path,
    templates: Path | None,
    check: Path | None,
    method: str | None,
    out: Path | None,
    hub: str | None,
    pr: bool,
) -> None:
    """Render the model card (Markdown and HTML) and tables for papers (LaTeX, CSV) from a run's tables alone.

    With --check: whether every number of a card's grids and model-index is the run's; status 1 if one is not.
    """
    if (out and not method) or (method and not (out or hub)) or (pr and not hub) or (check and (method or hub)):
        raise SrgridError("card: --for goes with --out or --push, --out with --for, --pr with --push, --check alone")
    if check:
        _check(check, run_dir)
    elif method:
        with contextlib.ExitStack() as stack:
            folder = out or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            _one_model(run_dir, method, folder, hub or "", pr, templates)
    else:
        from srgrid.report.card import build_card
        from srgrid.report.export import export

        export(run_dir)
        build_card(run_dir, templates=templates)
        if hub:
            _push(hub, _comparison(run_dir), pr)


def _one_model(run_dir: Path, method: str, out: Path, hub: str, pr: bool, templates: Path | None) -> None:
    from srgrid.report.onemodel import write_model

    keep_apart(out, run_dir)
    files = write_model(run_dir, method, out, hub, templates)
    if hub:
        _push(hub, files, pr)


def _comparison(run_dir: Path) -> dict[str, Path]:
    """The files of a run's card by their names in a repository."""
    figures = {f"figures/{file.name}": file for file in sorted((run_dir / "figures").glob("*.png"))}
    return {"README.md": run_dir / "model_card.md", "model_card.html": run_dir / "model_card.html", **figures}


def _push(hub: str, files: dict[str, Path], pr: bool) -> None:
    """Say what is sent, and send it."""
    from srgrid.models.hub import push_files

    print(f"{hub}: to be sent" + (" as a pull request:" if pr else ":"))
    for name, file in files.items():
        print(f"  {name}  {file.stat().st_size:,} bytes")
    sys.stdout.flush()
    print(push_files(hub, files, pr=pr))


def _check(card: Path, run_dir: Path) -> None:
    from srgrid.report.cardcheck import check_card

    found = check_card(card, run_dir)
    for fault in found.wrong:
        print(f"{card}: {fault}")
    for column in found.beside:
        print(f"{card}: column {column}: no method of the run, not compared")
    print(f"{card}: {found.compared} numbers compared with {run_dir}, {len(found.wrong) or 'none'} wrong")
    if found.wrong:
        sys.exit(1)
