"""What to do with half an hour of a GPU, in pieces of nine minutes that go on where the last one stopped.

    python benchmarks/gpu_hour.py OUT --state DIR --pack x4.srpack [--minutes 9] [--piece tests|speed|train]

OUT gets report.md and, from `train`, the averaged weights as fp16 in parts of at most 15 MB. DIR holds the training's
checkpoints; a later piece goes on from the newest. Without --piece: the first of tests, speed and train that OUT lacks,
and training from then on. Put parts together by `cat OUT/weights.part* > weights.safetensors`.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import torch

from srgrid.train.checkpoint import read
from srgrid.train.recipes import recipe

ROOT = Path(__file__).resolve().parent.parent
PART = 15 * 10**6
PIECES = ("tests", "speed", "train")


def main(arguments=None):
    options = _options(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    done = [name for name in PIECES if (options.out / f"{name}.json").exists()]
    piece = options.piece or next((name for name in PIECES if name not in done), "train")
    begun = time.monotonic()
    found = globals()[piece](options) | {"seconds": round(time.monotonic() - begun)}
    (options.out / f"{piece}.json").write_text(json.dumps(found, indent=1) + "\n")
    (options.out / "report.md").write_text(report(options.out))
    print(f"{piece}: {found['seconds']} s; {options.out / 'report.md'}")


def tests(options):
    """The tests that only a card can run."""
    words = ["-m", "pytest", "-m", "gpu", "-q", "-p", "no:cacheprovider", "tests/train", "tests/models", *options.only]
    return _said([sys.executable, *words], options)


def speed(options):
    """A training step beside super-image's and an eager one, one after another at two batches."""
    shared = ["--model", options.model, "--steps", "20", *options.speed]
    runs = [[sys.executable, ROOT / "benchmarks/train_speed.py", *shared, "--batch", str(n)] for n in options.batches]
    each = [_said(run, options, len(runs)) for run in runs]
    return {"status": max(one["status"] for one in each), "said": "\n".join(one["said"] for one in each)}


def train(options):
    """The recipe under a time budget, from the newest state on; a signal at the end of it leaves a checkpoint."""
    out, settings = options.state / "whole.safetensors", json.dumps({"dtype": "fp16"} | options.settings)
    words = ["-m", "srgrid", "train", "--model", options.model, "--scale", "4", "--pack", options.pack, "--out", out]
    how = ["--state", options.state, "--recipe", options.recipe, "--settings", settings]
    found = _said([sys.executable, *words, *how], options)
    newest = max(options.state.glob("step-*.ckpt"), default=None)
    if newest is None:
        return found
    content = read(newest)
    half = {name: value.half() for name, value in content["average"].items()}
    found |= {"step": content["step"], "psnr": content["psnr"], "trained_s": content["seconds"]}
    return found | {"parts": _parts(half, options)}


def _parts(tensors, options):
    """The weights, in parts that fit where files may not be larger."""
    from safetensors.torch import save

    raw = save({name: value.contiguous() for name, value in tensors.items()})
    for old in options.out.glob("weights.part*"):
        old.unlink()
    names = []
    for start in range(0, len(raw), options.part):
        names.append(f"weights.part{start // options.part:02d}")
        (options.out / names[-1]).write_bytes(raw[start : start + options.part])
    return names


def _said(command, options, shares=1):
    """What a command printed last, and how it ended; it is asked to stop when its time is over."""
    process = subprocess.Popen(
        list(map(str, command)), cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        said, _ = process.communicate(timeout=60 * options.minutes / shares)
    except subprocess.TimeoutExpired:
        process.terminate()
        said, _ = process.communicate()
    return {"status": process.returncode, "said": "\n".join(said.splitlines()[-60:])}


def report(out):
    """All pieces so far, in Markdown."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    lines = ["# Half an hour of a GPU", "", f"{device}, torch {torch.__version__}", ""]
    for name in PIECES:
        file = out / f"{name}.json"
        if not file.exists():
            continue
        found = json.loads(file.read_text())
        lines += [f"## {name}", "", f"exit status {found['status']}, {found['seconds']} s", ""]
        if "step" in found:
            quality = "" if found["psnr"] is None else f", PSNR {found['psnr']:.2f} dB on the held-out images"
            lines += [f"step {found['step']} after {found['trained_s']:.0f} s of training{quality}", ""]
        lines += ["```text", found["said"], "```", ""]
    return "\n".join(lines)


def _options(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--piece", choices=PIECES)
    parser.add_argument("--model", default="rcan-bam")
    parser.add_argument("--recipe", default="full")
    parser.add_argument("--settings", type=json.loads, default={}, help="JSON: changes of the recipe")
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--speed", nargs="*", default=[], help="more words for train_speed.py, after `=`")
    parser.add_argument("--only", nargs="*", default=[], help="more words for pytest")
    parser.add_argument("--part", type=int, default=PART, help="bytes of a part of the weights")
    options = parser.parse_args(arguments)
    recipe(options.recipe, **options.settings)
    options.out, options.state, options.pack = (p.resolve() for p in (options.out, options.state, options.pack))
    return options


if __name__ == "__main__":
    main()
