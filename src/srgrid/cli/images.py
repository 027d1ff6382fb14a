"""Commands that make images from images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from srgrid.cli.options import PATH, config_option, degradation_option, example, scale, settings_of
from srgrid.settings import Options


@click.command(epilog=example("srgrid lr HR_DIR LR_DIR --scale 4"))
@click.argument("hr_dir", type=PATH, help="HR images.")
@click.argument("out_dir", type=PATH, help="Folder to make.")
@scale
@degradation_option("What makes LR from HR")
@config_option("--define")
def lr(hr_dir: Path, out_dir: Path, scale: int, degradation: str, define: dict[str, Any]) -> None:
    """Make LR images: MATLAB's bicubic, bit for bit, after cropping to a multiple of the scale."""
    from srgrid.degrade import degradations, get_degradation, make_lr

    make_lr(hr_dir, out_dir, scale, get_degradation(degradation, degradations(define)))


@click.command(epilog=example("srgrid upscale photo.png photo_x4.png --model rcan-bam-s --scale 4"))
@click.argument("source", metavar="INPUT", type=PATH, help="An image, or a folder of images.")
@click.argument("output", type=PATH, help="An image, or a folder to make.")
@click.option(
    "--model",
    required=True,
    help="bicubic, lanczos, a name, a weights file, a folder, a hub id or a Python entry.",
)
@scale
@degradation_option("bicubic only: whose kernel enlarges")
@config_option("--define")
@settings_of(Options, "kind", "ensemble", "tile", "precision", "device", "threads", "rgb_range")
@settings_of(Options, "format", "quality", "skip_bad")
@click.option("--compare", type=PATH, help="Also write bicubic | SR side by side (one image).")
def upscale(
    source: Path,
    output: Path,
    model: str,
    scale: int,
    degradation: str,
    define: dict[str, Any],
    compare: Path | None,
    **options: Any,
) -> None:
    """Super-resolve an image or a folder. Transparency and colour profile are kept."""
    from srgrid.degrade import degradations, get_degradation
    from srgrid.upscale import upscale_path

    kernel = get_degradation(degradation, degradations(define))
    upscale_path(source, output, model, scale, degradation=kernel, options=Options(**options), compare=compare)


@click.command(epilog=example("srgrid sr THEIR_SR_DIR HR_DIR SR_DIR"))
@click.argument("sr_dir", type=PATH, help="SR images of any program.")
@click.argument("hr_dir", type=PATH, help="HR images; one prefix and one suffix around their names are found.")
@click.argument("out_dir", type=PATH, help="Folder to make.")
def sr(sr_dir: Path, hr_dir: Path, out_dir: Path) -> None:
    """Take finished SR images as a column: copied under the names of the HR images, with a manifest."""
    from srgrid.given import take

    print(f"{sr_dir}: names read as {take(sr_dir, hr_dir, out_dir)}")
