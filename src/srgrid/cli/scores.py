"""Commands from images to tables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from srgrid.cli.options import PATH, Words, config_option, example, metrics, pairs, scale
from srgrid.files import keep_apart


@click.command(epilog=example("srgrid score SR_DIR HR_DIR --scale 4 --protocol rgb8 --out scores.csv"))
@click.argument("sr", type=PATH, help="A folder of SR images, or one.")
@click.argument("hr", type=PATH, help="HR images of the same names, or with one prefix and suffix less; or one.")
@scale
@click.option("--protocol", default="rgb8", help="rgb8, luma8, literature, super-image or one of --define.")
@click.option("--out", type=PATH, help="Write a row for each image as CSV.")
@click.option("--mean", is_flag=True, help="End the CSV with the mean, as a row of that name.")
@config_option("--define")
@metrics
def score(
    sr: Path,
    hr: Path,
    scale: int,
    protocol: str,
    out: Path | None,
    mean: bool,
    define: dict[str, Any],
    metrics: list[str],
) -> None:
    """Score SR images against their originals: PSNR and SSIM (or other metrics) per image, and the mean."""
    from srgrid import protocols, scoring
    from srgrid.metrics import get_metrics

    chosen = get_metrics(metrics)
    if out:
        keep_apart(out, sr, hr)
    rule = protocols.get_protocol(protocol, protocols.protocols(define))
    rows = scoring.score_paths(sr, hr, scale, rule, chosen)
    if sr.is_dir() and (said := scoring.read_as(rows)):
        print(f"{sr}: names read as {said}", file=sys.stderr)
    shown = [*rows, scoring.Row("mean", scoring.mean(rows))] if sr.is_dir() else rows
    if out:
        scoring.write_rows(out, shown if mean else rows, chosen)
    width = max(len(row.image) for row in shown)
    for row in shown:
        texts = (f"{row.values[m.name]:{m.printed + 7}.{m.printed + 2}f} {m.unit}".rstrip() for m in chosen)
        print("  ".join([f"{row.image:<{width}}", *texts]))


@click.command(
    epilog=example(
        "srgrid cells HR_DIR scores --dataset Set5 --scale 4 --method mine \\\n"
        "    --cell rgb8=SR_DIR --cell luma8=SR_DIR"
    )
)
@click.argument("hr_dir", type=PATH, help="HR images.")
@click.argument("out_dir", type=PATH, help="Folder for PROTOCOL/DATASET_xSCALE_METHOD.csv.")
@click.option("--dataset", "-d", required=True, help="The data set's name in the tables.")
@scale
@click.option("--method", required=True, help="The method's name in the tables.")
@click.option("--cell", multiple=True, required=True, help="PROTOCOL=SR_DIR: the SR images that a protocol scores.")
@config_option("--define")
@metrics
def cells(
    hr_dir: Path,
    out_dir: Path,
    dataset: str,
    scale: int,
    method: str,
    cell: tuple[str, ...],
    define: dict[str, Any],
    metrics: list[str],
) -> None:
    """Score SR images under several protocols, as cells for `grid`: a table and a record for each."""
    from srgrid import protocols, scoring
    from srgrid.metrics import get_metrics

    folders = pairs(cell, "--cell", "PROTOCOL=SR_DIR")
    rules = protocols.protocols(define)
    for file in scoring.score_cells(out_dir, hr_dir, folders, (dataset, scale, method), rules, get_metrics(metrics)):
        print(file)


@click.command(epilog=example("srgrid grid scores/rgb8/*.csv --out-dir results/mine"))
@click.argument(
    "parts", type=PATH, nargs=-1, required=True, help="Score files made by `cells`, their records beside them."
)
@click.option(
    "--out-dir", type=PATH, required=True, help="Folder for scores.csv, grid.csv, intervals.csv and their record."
)
@config_option("--order")
def grid(parts: tuple[Path, ...], out_dir: Path, order: dict[str, Any]) -> None:
    """Collect scores into scores.csv, and the grid and its confidence intervals from them alone."""
    from srgrid.records import TABLE_NAMES, TABLES
    from srgrid.report.grid import make_grid

    for name in (*TABLE_NAMES, TABLES):
        keep_apart(out_dir / name, *parts, *(part.with_suffix(".json") for part in parts))
    make_grid(list(parts), out_dir, order or None)


@click.command(epilog=example("srgrid audit results/mine results/mine/scores/audit-*/*_bicubic.csv"))
@click.argument("run_dir", type=PATH, help="A run's results: grid.csv and scores.csv.")
@click.argument(
    "parts", type=PATH, nargs=-1, required=True, help="Score files of bicubic under the choices' protocols."
)
def audit(run_dir: Path, parts: tuple[Path, ...]) -> None:
    """Compare the grid with the published one, cell by cell, and measure what each protocol choice changes."""
    from srgrid.report.audit import AUDIT, write_audit

    for name in ("audit.csv", "effects.csv", "columns.csv", AUDIT):
        keep_apart(run_dir / name, *parts, *(part.with_suffix(".json") for part in parts))
    write_audit(run_dir, list(parts))


@click.command(
    cls=Words,
    epilog=example("srgrid compare rcan-bam-s rcan-s --run results/published", "srgrid compare results/a results/b"),
)
@click.argument("columns", nargs=-1, required=True, help="METHOD of --run, RUN:METHOD, or scores.csv:METHOD.")
@click.option("--run", type=PATH, help="The run whose methods are meant.")
@click.option("--protocol", help="Of the scores; if not given, the first that all columns have.")
@click.option("--dataset", "-d", multiple=True, help="Compare on these data sets alone.")
@click.option("--scale", "-s", type=int, multiple=True, help="Compare at these scales alone.")
@click.option("--metric", help="By this one alone; if not given, the first is shown and all are written.")
@click.option("--out", type=PATH, help="Write the differences as CSV.")
@click.option("--anyway", is_flag=True, help="Compare what was not scored alike, or is not on record.")
def compare(
    columns: tuple[str, ...],
    run: Path | None,
    protocol: str | None,
    dataset: tuple[str, ...],
    scale: tuple[int, ...],
    metric: str | None,
    out: Path | None,
    anyway: bool,
) -> None:
    """Compare methods image by image: mean difference, 95 % interval, corrected p, and what the set can resolve."""
    from srgrid.records import TABLE_NAMES, TABLES
    from srgrid.report.comparison import Asked, compared, lines, open_scored
    from srgrid.report.differences import write_differences

    asked = Asked(protocol, dataset, scale, metric, anyway)
    opened = [open_scored(text, run) for text in columns]
    if out:
        keep_apart(
            out,
            *(one.file for one in opened),
            *(one.file.with_name(n) for one in opened for n in (*TABLE_NAMES, TABLES)),
        )
    found, notes = compared(opened, asked)
    if out:
        write_differences(out, found)
    for note in notes:
        print(f"srgrid: {note}", file=sys.stderr)
    print("\n".join(lines(found)))
