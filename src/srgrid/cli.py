"""The command line: parse, call, print. Each step of the workflow is one command of the same name."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from srgrid import __version__
from srgrid.errors import SrgridError
from srgrid.files import keep_apart, trouble
from srgrid.signals import Signalled, raise_when_stopped
from srgrid.train.stop import Interrupted

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
data_app = typer.Typer(no_args_is_help=True, help="Benchmark images: list, fetch, verify, export.")
app.add_typer(data_app, name="data")


class Exit(IntEnum):
    """Exit statuses (sysexits.h, and 128 + signal number)."""

    READER_GONE = 1  # as Click ends when a pipe's reader has left
    BAD_INPUT = 2
    INTERNAL = 70
    INTERRUPTED = 130


def main() -> NoReturn:
    """Run the command line; report what a user can mend in one message, without a traceback."""
    # One thread per process for the numpy steps: several run side by side, and more threads make them slower.
    for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    raise_when_stopped()
    try:
        _run()
    except SrgridError as error:
        _stop(f"error: {error}", Exit.BAD_INPUT)
    except (Interrupted, Signalled) as stopped:
        _stop(str(stopped), stopped.exit_status)
    except KeyboardInterrupt:
        _stop("interrupted; nothing half-written is left", Exit.INTERRUPTED)
    except BrokenPipeError:
        _drop_stdout()
        sys.exit(int(Exit.READER_GONE))
    except OSError as error:
        if os.environ.get("SRGRID_DEBUG"):
            raise
        _drop_stdout()
        _stop(f"error: {trouble(error, 'standard output')}", Exit.BAD_INPUT)
    except Exception as error:
        if os.environ.get("SRGRID_DEBUG"):
            raise
        _stop(f"internal error: {type(error).__name__}: {error}; SRGRID_DEBUG=1 shows where", Exit.INTERNAL)
    sys.exit(0)


def _run() -> None:
    try:
        app()
    except SystemExit:
        if sys.stdout:
            sys.stdout.flush()  # here, where its failure can be told
        raise


def _drop_stdout() -> None:
    """Send what could not be printed nowhere, or Python tries again at its end and complains."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop(message: str, status: int) -> NoReturn:
    print(f"srgrid: {message}", file=sys.stderr)
    sys.exit(int(status))


Scale = Annotated[int, typer.Option("--scale", "-s", min=1, help="Scale factor.")]
Json = Annotated[str, typer.Option(help="JSON object, from the workflow's config.")]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"srgrid {__version__}")
        raise typer.Exit


@app.callback()
def _root(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False) -> None:
    """Super-resolution benchmark: exact LR images, declared protocols, honest grids."""


def _json(text: str, option: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SrgridError(f"{option}: not JSON ({error})") from None


def _object(text: str, option: str) -> dict[str, Any]:
    value = _json(text, option)
    if not isinstance(value, dict):
        raise SrgridError(f"{option}: expected a JSON object, got {text}")
    return value


def _list(text: str, option: str) -> list[Any]:
    value = _json(text, option)
    if not isinstance(value, list):
        raise SrgridError(f"{option}: expected a JSON list, got {text}")
    return value


@data_app.command("list")
def data_list() -> None:
    """List the data sets: images, scales, where they come from, licence."""
    from rich.console import Console
    from rich.table import Table

    from srgrid.data import registry

    table = Table("name", "images", "sources", "licence", box=None)
    for name in registry.names():
        entry = registry.get(name)
        table.add_row(name, str(entry.images), entry.origin, entry.licence)
    Console().print(table)


@data_app.command("fetch")
def data_fetch(
    name: Annotated[str, typer.Argument(help="Data set, see `srgrid data list`.")],
    out_dir: Annotated[Path, typer.Argument(help="Folder to make: 8-bit PNGs and a manifest.")],
    mirror: Annotated[
        Path | None, typer.Option(envvar="SRGRID_MIRROR", help="Folder laid out NAME/HR/*, used instead of downloads.")
    ] = None,
    define: Json = "{}",
) -> None:
    """Take a data set's HR images from a mirror or the network, and recognise each by its pixels."""
    from srgrid.data import fetch

    fetch(name, out_dir, mirror, extra=_object(define, "--define"))


@data_app.command("verify")
def data_verify(
    folder: Annotated[Path, typer.Argument(help="Any folder of images.")],
    dataset: Annotated[str | None, typer.Option(help="Require all of this data set, and nothing else.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write what was found as JSON.")] = None,
    define: Json = "{}",
) -> None:
    """Say of every image in a folder which benchmark image it is, cropped or not, or that it is unknown."""
    from srgrid.data import verify

    found = verify.verify_dir(folder, dataset, extra=_object(define, "--define"))
    if report:
        keep_apart(report, *(folder / row.file for row in found.rows))
        verify.write_report(found, report)
    for line in verify.lines(found):
        print(line)
    verify.require(found)


@data_app.command("export")
def data_export(
    name: Annotated[str, typer.Argument(help="Data set.")],
    scale: Scale,
    out: Annotated[Path, typer.Option(help="Folder for the Parquet file.")],
    kernel: Annotated[str, typer.Option(help="matlab or pillow.")] = "matlab",
    mirror: Annotated[Path | None, typer.Option(envvar="SRGRID_MIRROR")] = None,
) -> None:
    """Write a data set as Parquet (name, hr, lr) that `datasets.load_dataset("parquet", ...)` reads."""
    from srgrid.data import export

    print(export(name, scale, out, kernel=kernel, mirror=mirror))


@app.command()
def lr(
    hr_dir: Annotated[Path, typer.Argument(help="HR images.")],
    out_dir: Annotated[Path, typer.Argument(help="Folder to make.")],
    scale: Scale,
    degradation: Annotated[str, typer.Option(help="matlab, pillow, or either with -uncropped.")] = "matlab",
) -> None:
    """Make LR images: MATLAB's bicubic, bit for bit, after cropping to a multiple of the scale."""
    from srgrid.degrade import make_lr

    make_lr(hr_dir, out_dir, scale, degradation)


@app.command()
def score(
    sr_dir: Annotated[Path, typer.Argument(help="SR images.")],
    hr_dir: Annotated[Path, typer.Argument(help="HR images of the same names.")],
    scale: Scale,
    protocol: Annotated[str, typer.Option(help="rgb8, luma8, super-image or one of --define.")] = "rgb8",
    out: Annotated[Path | None, typer.Option(help="Write the rows and the mean as CSV.")] = None,
    cell: Annotated[
        str, typer.Option(help="JSON object, dataset, scale, method and protocol: write a cell for `grid`, no mean.")
    ] = "{}",
    define: Json = "{}",
    metrics: Annotated[
        str, typer.Option(help="Names, a comma between them: psnr, ssim, or module:NAME of your own.")
    ] = "psnr,ssim",
) -> None:
    """Score SR images against their originals: PSNR and SSIM (or other metrics) per image, and the mean."""
    from srgrid import protocols, scoring
    from srgrid.metrics import get_metrics

    chosen = get_metrics(name.strip() for name in metrics.split(","))
    columns = _object(cell, "--cell")
    if out:
        keep_apart(out, sr_dir, hr_dir)
    rule = protocols.get_protocol(protocol, protocols.protocols(_object(define, "--define")))
    if out and columns:
        scoring.check_cell(out, columns, scale, rule)
    rows = scoring.score_dirs(sr_dir, hr_dir, scale, rule, chosen)
    shown = rows if columns else [*rows, scoring.Row("mean", scoring.mean(rows))]
    if out and columns:
        scoring.write_cell(out, rows, columns, rule, sr_dir, chosen)
    elif out:
        scoring.write_rows(out, shown, chosen)
    width = max(len(row.image) for row in shown)
    for row in shown:
        texts = (f"{row.values[m.name]:{m.printed + 7}.{m.printed + 2}f} {m.unit}".rstrip() for m in chosen)
        print("  ".join([f"{row.image:<{width}}", *texts]))


@app.command()
def pack(
    hr_dirs: Annotated[list[Path], typer.Argument(help="Folders of HR images.")],
    scale: Scale,
    out: Annotated[Path, typer.Option(help="The packed file to make.")],
) -> None:
    """Decode training images once into a memory-mapped file of aligned HR and LR pixels."""
    from srgrid.data.pack import pack as pack_images

    pack_images(hr_dirs, scale, out)


@app.command()
def train(
    model: Annotated[str, typer.Option(help="Model name: rcan-bam, rcan-bam-s, rcan, rcan-s, ...")],
    scale: Scale,
    pack: Annotated[Path, typer.Option(help="Training set made by `srgrid pack`.")],
    out: Annotated[Path, typer.Option(help="Weights to write, <model>_x<scale>.safetensors.")],
    state: Annotated[Path, typer.Option(help="Folder for checkpoints and logs; a later run resumes from it.")],
    recipe: Annotated[str, typer.Option(help="A named recipe.")] = "default",
    settings: Annotated[str, typer.Option(help="JSON object of recipe settings to change.")] = "{}",
    steps: Annotated[int | None, typer.Option(min=1, help="Budget in steps.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Budget in minutes.")] = None,
    init: Annotated[Path | None, typer.Option(help="Warm start from these weights, of any scale.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None,
) -> None:
    """Train a model at one scale; stop it any time, and it goes on where it was."""
    from srgrid.train import recipe as named
    from srgrid.train import train as run

    changes = _object(settings, "--settings")
    given = {"steps": steps, "minutes": minutes, "threads": threads}
    changes |= {key: value for key, value in given.items() if value is not None}
    keep_apart(out, pack, *([init] if init else []))
    run(model, scale, pack, out, state, named(recipe, **changes), init=init)


@app.command()
def upscale(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="An image, or a folder of images.")],
    output: Annotated[Path, typer.Argument(help="An image, or a folder to make.")],
    model: Annotated[str, typer.Option(help="bicubic, a model name, a weights file, a folder or a hub id.")],
    scale: Scale,
    degradation: Annotated[str, typer.Option(help="bicubic only: which kernel enlarges.")] = "matlab",
    kind: Annotated[str, typer.Option(help="8bit (PNG) or float (.npy, never rounded).")] = "8bit",
    ensemble: Annotated[bool, typer.Option(help="x8 self-ensemble.")] = False,
    tile: Annotated[int | None, typer.Option(min=1, help="LR tile side; default: as memory allows.")] = None,
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads for PyTorch.")] = None,
    rgb_range: Annotated[
        float | None,
        typer.Option(help="Range of inputs, 1 or 255, where another project's checkpoint does not tell it."),
    ] = None,
    compare: Annotated[Path | None, typer.Option(help="Also write bicubic | SR side by side (one image).")] = None,
) -> None:
    """Super-resolve an image or a folder."""
    from srgrid import upscale as steps

    options = steps.Options(
        kind=kind,
        ensemble=ensemble,
        tile=tile,
        precision=precision,
        device=device,
        threads=threads,
        rgb_range=rgb_range,
    )
    steps.upscale_path(source, output, model, scale, degradation=degradation, options=options, compare=compare)


@app.command()
def grid(
    parts: Annotated[list[Path], typer.Argument(help="Score files made by `score --cell`, their records beside them.")],
    out_dir: Annotated[Path, typer.Option(help="Folder for scores.csv, grid.csv, intervals.csv and their record.")],
    order: Json = "{}",
) -> None:
    """Collect scores into scores.csv, and the grid and its confidence intervals from them alone."""
    from srgrid.report.grid import make_grid

    for name in ("scores.csv", "grid.csv", "intervals.csv"):
        keep_apart(out_dir / name, *parts)
    make_grid(parts, out_dir, _object(order, "--order") or None)


def _pairs(given: list[str], option: str, form: str = "METHOD=FOLDER") -> dict[str, Path]:
    found: dict[str, Path] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or name in found:
            raise SrgridError(f"{option}: expected {form}, each once, got {text!r}")
        found[name] = Path(path)
    return found


@app.command()
def figure(
    scores: Annotated[Path, typer.Argument(help="scores.csv of the run.")],
    hr_dir: Annotated[Path, typer.Argument(help="HR images.")],
    out: Annotated[Path, typer.Argument(help="The figure, .png; .pdf and .json are written beside it.")],
    scale: Scale,
    dataset: Annotated[str, typer.Option()],
    protocol: Annotated[str, typer.Option()],
    sr: Annotated[list[str], typer.Option(help="METHOD=FOLDER of SR images; in the order shown.")],
    previews: Annotated[Path, typer.Option(help="Folder to make for the page's compare view.")],
    crop: Annotated[int | None, typer.Option(help="Side of the crop in HR pixels.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Images in the compare view.")] = 3,
    whole: Annotated[bool, typer.Option(help="Show the whole image beside its crops.")] = True,
    show: Annotated[
        str, typer.Option(help="JSON object: images to show, each with [x, y, width, height] or null.")
    ] = "{}",
) -> None:
    """Draw a data set's comparison figure and prepare the page's previews."""
    from srgrid.report.figures import figure as draw
    from srgrid.report.previews import previews as prepare

    if out.suffix != ".png":
        raise SrgridError(f"{out}: a figure is written as .png, with .pdf and .json beside it; choose such a name")
    folders = _pairs(sr, "--sr")
    chosen = _object(show, "--show")
    draw(
        scores,
        hr_dir,
        folders,
        dataset=dataset,
        scale=scale,
        protocol=protocol,
        out_png=out,
        out_pdf=out.with_suffix(".pdf"),
        out_json=out.with_suffix(".json"),
        images=list(chosen) or None,
        crops={image: tuple(box) for image, box in chosen.items() if box},
        crop_side=crop,
        whole=whole,
    )
    prepare(
        scores,
        hr_dir,
        folders,
        dataset=dataset,
        scale=scale,
        protocol=protocol,
        out_dir=previews,
        count=count,
        crop_side=crop,
    )


@app.command()
def provenance(
    out: Annotated[Path, typer.Argument(help="provenance.json, beside the run's tables.")],
    inputs: Annotated[list[Path], typer.Option("--input", help="Folders of HR images.")],
    config: Json = "{}",
    weights: Annotated[
        list[str] | None, typer.Option("--weights", metavar="METHOD:SCALE=FILE", help="Weights that were used.")
    ] = None,
    missing: Annotated[str, typer.Option(help="JSON list of cells that are not run, and why.")] = "[]",
    command: Annotated[str, typer.Option(help="What re-makes the run.")] = "",
) -> None:
    """Write down what made a run's results: versions, commit, config, hardware, digests."""
    from srgrid.provenance import write_provenance

    used = {}
    for name, path in _pairs(weights or [], "--weights", "METHOD:SCALE=FILE").items():
        method, _, scale = name.rpartition(":")
        if not method or not scale.isdecimal():
            raise SrgridError(f"--weights: expected METHOD:SCALE=FILE, got {name}={path}")
        used[method, int(scale)] = path
    keep_apart(out, *inputs, *used.values())
    write_provenance(out, _object(config, "--config"), inputs, used, _list(missing, "--missing"), command)


@app.command()
def card(
    run_dir: Annotated[Path, typer.Argument(help="A run's results.")],
    templates: Annotated[Path | None, typer.Option(help="Folder of Jinja2 templates that replace ours.")] = None,
) -> None:
    """Render the model card (Markdown and HTML) and the grid for papers (LaTeX, CSV) from a run's tables alone."""
    from srgrid.report.card import build_card
    from srgrid.report.grid import latex, wide

    latex(run_dir / "grid.csv", run_dir / "grid.tex")
    wide(run_dir / "grid.csv", run_dir / "grid_wide.csv")
    build_card(run_dir, templates=templates)


@app.command()
def audit(
    run_dir: Annotated[Path, typer.Argument(help="A run's results: grid.csv and scores.csv.")],
    parts: Annotated[list[Path], typer.Argument(help="Score files of bicubic under the choices' protocols.")],
) -> None:
    """Hold the grid against the published one, cell by cell, and measure what each protocol choice is worth."""
    from srgrid.report.audit import write_audit

    for name in ("audit.csv", "effects.csv", "columns.csv"):
        keep_apart(run_dir / name, *parts)
    write_audit(run_dir, parts)
