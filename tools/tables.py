"""Write the tables that repeat results elsewhere: models/README.md, the grids of README.md, one of docs/training.md.

    python tools/tables.py

They come from the records of the weights in models/, and from the grids of the reference run and of the shelf.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd

from srgrid.files import staged_file
from srgrid.models import describe
from srgrid.report.published import published
from srgrid.report.tables import recorded_grid

ROOT = Path(__file__).resolve().parent.parent
MODELS, GRID, README = ROOT / "models", ROOT / "results/published/grid.csv", ROOT / "README.md"
TRAINING = ROOT / "docs/training.md"
SHELF = tuple(ROOT / f"results/{name}/grid.csv" for name in ("shelf-x2", "shelf-x3", "shelf"))
SETS = ("Set5", "Set14", "BSD100", "Urban100")

HEAD = """\
# Models

Weights that were trained here, ready for `srgrid upscale --model NAME` and `srgrid.models.load(NAME, scale=4)`. This
page is written by `tools/tables.py` from the files: each header holds the network, the recipe, the digest of the
training set and the steps; the `.json` beside it what was measured; `logs/` the training log (loss, held-out PSNR), and
the records of the weights that only served as a start.

`rcan-s` is the control of `rcan-bam-s`: the same network with RCAN's channel attention, trained with the same recipe,
data and budget. None of them saw an image of the test sets. The full-size `rcan-bam` is not here: it needs a GPU.

License: Apache-2.0, like the code. The training images belong to their authors and are not here.
"""


def main() -> None:
    for path, text in texts().items():
        with staged_file(path) as staged:
            staged.write_text(text)


def texts() -> dict[Path, str]:
    """What each of the files holds."""
    grid = recorded_grid(GRID)
    files = sorted(MODELS.glob("*.safetensors"))
    return {
        MODELS / "README.md": "\n".join([HEAD, scores(files, grid), training(MODELS)]),
        README: between(between(README.read_text(), "bicubic", bicubic(grid)), "models", models(grid)),
        TRAINING: between(TRAINING.read_text(), "peer", peer(grid)),
    }


def between(text: str, name: str, table: str) -> str:
    """The text with what stands between its two marks of that name replaced."""
    mark = f"<!-- {name} -->"
    found, count = re.subn(f"(?s){mark}.*{mark}", lambda _: f"{mark}\n{table}\n{mark}", text)
    assert count == 1, f"no text between two marks {mark}"
    return found


def bicubic(grid: pd.DataFrame) -> str:
    """The published card's bicubic column and the re-made ones."""
    card = {(p.dataset, p.scale): p.text for p in published() if (p.source, p.method) == ("card", "bicubic")}
    empty = {("Urban100", 2): "made on halved HR, see below", ("Urban100", 3): "empty"}
    columns = [(f"bicubic, {name}", "bicubic", name) for name in ("luma8", "rgb8", "super-image")]
    return _table(grid, "Bicubic, published card", card | empty, columns)


def models(grid: pd.DataFrame) -> str:
    """The model columns, and what the card prints for its own model."""
    card = {(p.dataset, p.scale): p.text for p in published() if (p.source, p.method) == ("card", "rcan-bam")}
    columns = [(f"{name}, {p}", name, p) for p in ("rgb8", "super-image") for name in ("rcan-bam-s", "rcan-s")]
    columns = [("bicubic, rgb8", "bicubic", "rgb8"), *columns]
    return _table(grid, "rcan-bam, published card (super-image)", card, columns)


def _table(
    grid: pd.DataFrame, head: str, given: dict[tuple[str, int], str], columns: list[tuple[str, str, str]]
) -> str:
    cells = {
        (row.dataset, row.scale, row.method, row.protocol): f"{row.psnr:.2f}/{row.ssim:.4f}"
        for row in grid.itertuples(index=False)
    }
    heads = ["Dataset", "Scale", head, *(title for title, _, _ in columns)]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for dataset, scale in dict.fromkeys(zip(grid["dataset"], grid["scale"], strict=True)):
        values = [cells[dataset, scale, method, protocol] for _, method, protocol in columns]
        lines.append(f"| {dataset} | x{scale} | {given.get((dataset, scale), 'empty')} | {' | '.join(values)} |")
    return "\n".join(lines)


# PSNR of CARN-M in its paper (Ahn et al. 2018, arXiv:1803.08664), in the order of SETS.
PAPER = {2: (37.53, 33.26, 31.92, 31.23), 3: (33.99, 30.08, 28.91, 27.55), 4: (31.92, 28.42, 27.44, 25.62)}


def peer(grid: pd.DataFrame) -> str:
    """The small models beside CARN-M as printed, and by its authors' weights, which the shelf scored: PSNR under
    `literature`."""
    every = pd.concat([grid, *map(recorded_grid, SHELF)])
    psnr = every[every["protocol"] == "literature"].set_index(["dataset", "scale", "method"])["psnr"]
    heads = ("Dataset", "Scale", "CARN-M, paper", "CARN-M", "rcan-bam-s", "rcan-s", "rcan-bam-s less CARN-M")
    lines, reached = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"], 0
    for scale, printed in PAPER.items():
        for dataset, paper in zip(SETS, printed, strict=True):
            carn, bam, control = (float(psnr[dataset, scale, name]) for name in ("carn-m", "rcan-bam-s", "rcan-s"))
            reached += bam >= paper
            cells = (f"{value:.2f}" for value in (paper, carn, bam, control))
            lines.append(f"| {dataset} | x{scale} | {' | '.join(cells)} | {bam - carn:+z.2f} |")
    said = f"`rcan-bam-s` reaches what the paper prints of CARN-M in {reached} of {4 * len(PAPER)} cells."
    return "\n".join([*lines, "", said])


def scores(files: list[Path], grid: pd.DataFrame) -> str:
    """PSNR/SSIM under rgb8, bicubic first."""
    lines = [
        "## Scores",
        "",
        "PSNR (dB) / SSIM under `rgb8`, from [the reference run](../results/published/model_card.md).",
        "",
    ]
    lines += [f"| model | scale | {' | '.join(SETS)} |", "|---|---|" + "---|" * len(SETS)]
    table = grid[grid["protocol"] == "rgb8"].set_index(["method", "scale", "dataset"])[["psnr", "ssim"]]
    scales = sorted({describe(file)["config"]["scale"] for file in files})
    names = [("bicubic", scale) for scale in scales]
    names += [(describe(f)["name"], describe(f)["config"]["scale"]) for f in files]
    for name, scale in names:
        cells = (table.loc[(name, scale, dataset)] for dataset in SETS)
        lines.append(f"| {name} | x{scale} | {' | '.join(f'{c.psnr:.2f}/{c.ssim:.4f}' for c in cells)} |")
    return "\n".join([*lines, ""])


def training(folder: Path) -> str:
    """How each file came to be, and what it was started from where that is not one of the files."""
    heads = ("weights", "training set", "budget", "started from", "wall time", "hardware", "held-out PSNR", "sha256")
    lines = ["## Training", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    records = {file.stem: json.loads(file.read_text()) for file in sorted(folder.rglob("*.json"), key=lambda f: f.stem)}
    origin = {record["weights_sha256"]: name for name, record in records.items()} | {None: "nothing"}
    for name, record in records.items():
        made, measured = record["training"], record["measured"]
        recipe, data, hardware = made["recipe"], made["data"], measured["hardware"]
        rate = f"{recipe['optimiser']} {recipe['lr']:g}"
        chosen = recipe.get("candidates", 1)
        patches = f"{recipe['batch']} LR patches of {recipe['patch']} px{f' (of {chosen} each)' * (chosen > 1)}"
        budget = f"{made['steps']:,} steps of {patches}, {rate}"
        processor = f"{hardware['cpu']}, threads: {measured['threads']} of {hardware['cores']}"
        device = ", ".join(hardware["gpus"]) or processor
        trained_on = f"{data['training_set']}, {data['images']} images ({data['sha256'][:12]})"
        minutes, psnr = f"{measured['seconds'] / 60:.0f} min", f"{made['psnr']:.2f} dB"
        start, digest = origin[made["init"]], record["weights_sha256"][:12]
        lines.append(f"| {' | '.join((f'`{name}`', trained_on, budget, start, minutes, device, psnr, digest))} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
