"""What a change of the training recipe buys: the PSNR of a small model on held-out images at the end.

    python benchmarks/recipe_trials.py PACK --out trials.jsonl [--steps 1200] [--only NAME ...] [--model rcan-bam-s]
    python benchmarks/recipe_trials.py --table trials.jsonl

PACK is a training set made by `srgrid pack`. Each trial trains from nothing on one thread, annealed to its steps, and
differs from `base` in one thing. Other batches and patches get as many steps as cost the same; another network does
not. `base seed 1` and `base seed 2` show what chance does. A trial that the file holds is not made again, so the script
can be stopped; two of them, with other names, may run side by side.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import torch
from torch.nn import functional as F

from srgrid.models.rcan_config import SIZES
from srgrid.train import learner, recipe, train

BASE = {"batch": 16, "patch": 48, "compile": "on", "threads": 1, "validate_every": 10**6, "tensorboard": False}

TRIALS = {  # settings, of the recipe; `steps`: as a share of the base's; `network`, `loss`: see `trial`
    "base": {},
    "base seed 1": {"seed": 1},
    "base seed 2": {"seed": 2},
    "batch 8": {"batch": 8, "steps": 2},
    "batch 32": {"batch": 32, "steps": 1 / 2},
    "patch 32, batch 36": {"patch": 32, "batch": 36},
    "patch 64, batch 9": {"patch": 64, "batch": 9},
    "lr 5e-4": {"lr": 5e-4},
    "lr 2e-3": {"lr": 2e-3},
    "lr 4e-3": {"lr": 4e-3},
    "EMA 0.998": {"ema": 0.998},
    "EMA 0.9995": {"ema": 0.9995},
    "SiLU": {"activation": "silu"},
    "Charbonnier": {"loss": "charbonnier"},
    "L1 + 0.05 L1 of the Fourier transform": {"loss": "fourier"},
    "more detailed of 2 patches": {"candidates": 2},
    "most detailed of 4 patches": {"candidates": 4},
    "most detailed of 8 patches": {"candidates": 8},
    "most detailed of 16 patches": {"candidates": 16},
    "deeper: 4 x 8 x 24": {"network": {"blocks": 8, "features": 24, "reduction": 6}},
    "wider: 2 x 3 x 48": {"network": {"groups": 2, "blocks": 3, "features": 48, "reduction": 12}},
    "one group: 1 x 16 x 32": {"network": {"groups": 1, "blocks": 16}},
}


def charbonnier(sr, hr):
    return ((sr.float() - hr) ** 2 + 1e-6).sqrt().mean()


def fourier(sr, hr):
    difference = torch.fft.rfft2(sr.float()) - torch.fft.rfft2(hr)
    return F.l1_loss(sr, hr) + 0.05 * torch.view_as_real(difference).abs().mean()


def trial(options, name):
    """Runs one trial; returns its line of the file."""
    changes = dict(TRIALS[name])
    steps = round(options.steps * changes.pop("steps", 1))
    loss = changes.pop("loss", None)
    SIZES[options.model] = replace(SIZES[options.model], **changes.pop("network", {}))
    if loss:
        learner.F = SimpleNamespace(l1_loss={"charbonnier": charbonnier, "fourier": fourier}[loss])
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "trained.safetensors"
        config = recipe("default", **{**BASE, "steps": steps, **changes})
        made = train(options.model, options.scale, options.pack, out, Path(folder) / "state", config)
    return {"trial": name, "steps": steps, "seconds": round(made["seconds"], 1), "psnr": made["psnr"]}


def table(lines):
    base = [line["psnr"] for line in lines if line["trial"].startswith("base")]
    if not base:
        sys.exit("the file holds no trial called base to compare with")
    middle = sum(base) / len(base)
    print("| trial | steps | seconds | held-out PSNR | less the mean of base |\n|---|---|---|---|---|")
    for line in sorted(lines, key=lambda line: -line["psnr"]):
        print(f"| {line['trial']} | {line['steps']:,} | {line['seconds']:.0f} | {line['psnr']:.3f} ", end="")
        print(f"| {line['psnr'] - middle:+.3f} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("pack", type=Path, nargs="?")
    parser.add_argument("--out", type=Path, default=Path("trials.jsonl"))
    parser.add_argument("--table", type=Path)
    parser.add_argument("--model", default="rcan-bam-s")
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--only", nargs="+", default=list(TRIALS), choices=list(TRIALS))
    options = parser.parse_args()
    if options.table:
        return table([json.loads(line) for line in options.table.read_text().splitlines()])
    if not options.pack:
        parser.error("no training set; give PACK")
    made = options.out.read_text() if options.out.exists() else ""
    for name in options.only:
        if any(json.loads(line)["trial"] == name for line in made.splitlines()):
            continue
        undone = SIZES[options.model], learner.F
        line = trial(options, name)
        SIZES[options.model], learner.F = undone
        with options.out.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
