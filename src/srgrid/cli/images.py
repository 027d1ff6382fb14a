"""Commands that make images from images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from srgrid.cli.options import PATH, scale, settings_of
from srgrid.settings import Options


@click.command()
@click.argument("hr_dir", type=PATH, help="HR images.")
@click.argument("out_dir", type=PATH, help="Folder to make.")
@scale
@click.option("--degradation", default="matlab", help="matlab, pillow, or either with -uncropped.")
def lr(hr_dir: Path, out_dir: Path, scale: int, degradation: str) -> None:
    """Make LR images: MATLAB's bicubic, bit for bit, after cropping to a multiple of the scale."""
    from srgrid.degrade import make_lr

    make_lr(hr_dir, out_dir, scale, degradation)


@click.command()
@click.argument("source", metavar="INPUT", type=PATH, help="An image, or a folder of images.")
@click.argument("output", type=PATH, help="An image, or a folder to make.")
@click.option("--model", required=True, help="bicubic, a model name, a weights file, a folder or a hub id.")
@scale
@click.option("--degradation", default="matlab", help="bicubic only: which kernel enlarges.")
@settings_of(Options, "kind", "ensemble", "tile", "precision", "device", "threads", "rgb_range")
@click.option("--compare", type=PATH, help="Also write bicubic | SR side by side (one image).")
def upscale(
    source: Path, output: Path, model: str, scale: int, degradation: str, compare: Path | None, **options: Any
) -> None:
    """Super-resolve an image or a folder."""
    from srgrid.upscale import upscale_path

    chosen = Options(**options)
    upscale_path(source, output, model, scale, degradation=degradation, options=chosen, compare=compare)
