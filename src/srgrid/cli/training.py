"""Commands that train a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from srgrid.cli.options import PATH, config_option, degradation_option, example, json_option, scale, settings_of
from srgrid.files import keep_apart
from srgrid.train.recipes import TrainConfig
from srgrid.train.recipes import recipe as named


@click.command(epilog=example("srgrid pack-hr HR_DIR --out train.srhr"))
@click.argument("hr_dirs", type=PATH, nargs=-1, required=True, help="Folders of HR images.")
@click.option("--out", type=PATH, required=True, help="The file to make.")
def pack_hr(hr_dirs: tuple[Path, ...], out: Path) -> None:
    """Decode training images once into a file that the packs of all scales share."""
    from srgrid.data.hrpack import pack_hr as pack_images

    pack_images(list(hr_dirs), out)


@click.command(
    epilog=example(
        "srgrid pack HR_DIR --scale 2 --out train_x2.srpack",
        "srgrid pack train.srhr --scale 2 --out train_x2.srpack",
    )
)
@click.argument("hr_dirs", type=PATH, nargs=-1, required=True, help="Folders of HR images, or a file of pack-hr.")
@scale
@click.option("--out", type=PATH, required=True, help="The packed file to make.")
@degradation_option("What makes LR from HR")
@config_option("--define")
def pack(hr_dirs: tuple[Path, ...], scale: int, out: Path, degradation: str, define: dict[str, Any]) -> None:
    """Decode training images once into a memory-mapped file of aligned HR and LR pixels.

    From a file of `pack-hr` it takes HR, and holds LR alone: keep the two together.
    """
    from srgrid.data.pack import pack as pack_images
    from srgrid.degrade import degradations, get_degradation

    pack_images(list(hr_dirs), scale, out, get_degradation(degradation, degradations(define)))


@click.command(
    epilog=example(
        "srgrid train --model rcan-bam-s --scale 2 --pack train_x2.srpack \\\n"
        "    --out mine_x2.safetensors --state state/x2",
    )
)
@click.option("--model", required=True, help="Model name: rcan-bam, rcan-bam-s, rcan, rcan-s, ...")
@scale
@click.option("--pack", type=PATH, required=True, help="Training set made by `srgrid pack`.")
@click.option("--out", type=PATH, required=True, help="Weights to write, <model>_x<scale>.safetensors.")
@click.option("--state", type=PATH, required=True, help="Folder for checkpoints and logs; a later run resumes from it.")
@click.option("--recipe", default="default", help="A named recipe.")
@json_option("--settings", "JSON object of recipe settings to change.")
@settings_of(TrainConfig, "steps", "minutes", "threads", "device", unset=True)
@click.option("--init", type=PATH, help="Warm start from these weights, of any scale.")
def train(
    model: str,
    scale: int,
    pack: Path,
    out: Path,
    state: Path,
    recipe: str,
    settings: dict[str, Any],
    init: Path | None,
    **given: Any,
) -> None:
    """Train a model at one scale; stop it any time, and it goes on where it was."""
    from srgrid.train import train as run

    changes = settings | {key: value for key, value in given.items() if value is not None}
    keep_apart(out, pack, *([init] if init else []))
    run(model, scale, pack, out, state, named(recipe, **changes), init=init)
