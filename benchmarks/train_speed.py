"""Training speed: srgrid, super-image's own Trainer loop with its RcanModel, and plain eager fp32 PyTorch.

    python benchmarks/train_speed.py [--model rcan-bam-s] [--scale 4] [--batch 16] [--patch 48] [--steps 40]

One run on one device; each contender in a process of its own, in turn, so that none inherits another's memory or
threads. Every contender trains the same network on the same photographs. Prints images/s, the ratios, the achieved
TFLOP/s (forward and backward convolutions as counted by PyTorch) beside a measured matrix product, and peak memory.
super-image is optional: `make peers`.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from skimage import data
from torch.utils.flop_counter import FlopCounterMode

from srgrid import images
from srgrid.data.pack import Pack, pack
from srgrid.models import build, names
from srgrid.models.devices import float32
from srgrid.networks import sizes
from srgrid.train import recipe
from srgrid.train.batches import Planner, source, split
from srgrid.train.learner import Learner, arithmetic
from srgrid.train.team import Team

WARM_UP = 5
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")


def main():
    options = _options()
    if options.only:
        print(json.dumps(CONTENDERS[options.only](options)))
        return
    print(
        f"{options.model} x{options.scale}, batch {options.batch}, LR patch {options.patch}, {options.device}, ", end=""
    )
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}\n")
    with tempfile.TemporaryDirectory() as folder:
        _photographs(Path(folder), options)
        found = {name: _apart(name, folder) for name in CONTENDERS}
    ceiling = {name: _matrix_product(options.device, kind) for name, kind in KINDS.items()}
    flops = _flops(options)
    for name, result in found.items():
        if result is None:
            continue
        rate, precision = 1 / result["seconds"], result["precision"]
        achieved = flops * rate / 1e12
        print(f"{name:<28}{result['seconds'] * 1e3:9.1f} ms a step{options.batch * rate:9.1f} images/s  ", end="")
        print(
            f"{achieved:6.2f} TFLOP/s = {achieved / ceiling[precision]:4.0%} of a {precision} matrix product  ", end=""
        )
        print(f"{result['peak'] / 2**30:5.2f} GiB peak  (first step {result['first']:.1f} s)")
    print(f"\nmatrix products: fp32 {ceiling['fp32']:.2f}, bf16 {ceiling['bf16']:.2f} TFLOP/s")
    ours = found["srgrid"]
    for name, result in found.items():
        if result is not None and name != "srgrid":
            print(f"srgrid is {result['seconds'] / ours['seconds']:.2f} times as fast as {name}")


def _options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="rcan-bam-s", choices=names())
    parser.add_argument("--scale", type=int, default=4, choices=(2, 3, 4))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--patch", type=int, default=48)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _apart(name, folder):
    """A contender's result, measured in its own process; None (and its reason on stderr) if it cannot run."""
    command = [sys.executable, __file__, *sys.argv[1:], "--only", name, "--folder", folder]
    quiet = os.environ | {"TQDM_DISABLE": "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=quiet)
    if done.returncode:
        print(f"{name}: not measured")
        return None
    return json.loads(done.stdout.splitlines()[-1])


def _photographs(folder, options):
    for name in PHOTOGRAPHS:
        images.write(folder / "HR" / f"{name}.png", np.ascontiguousarray(getattr(data, name)()[:300, :400]))
    pack([folder / "HR"], options.scale, folder / "set.srpack")
    for name, _, lr in Pack.open(folder / "set.srpack").pairs():
        images.write(folder / "LR" / f"{Path(name).name}.png", np.ascontiguousarray(lr))


def srgrid(options):
    device = torch.device(options.device)
    config = recipe("full", batch=options.batch, patch=options.patch, last_patch=0, compile="on", held_out=0)
    opened = Pack.open(options.folder / "set.srpack")
    batches = source(opened, Planner(opened, split(opened, 0)[0], config), device)
    learner = Learner(build(options.model, options.scale), config, Team(0, 1, device))

    def step(number):
        learner.step(number, *batches(number, options.patch), 1e-4)

    with arithmetic(config, device):
        return _timed(step, options) | {"precision": learner.precision}


def plain(options):
    """The same network and batches; fp32, eager, as one writes it first."""
    device = torch.device(options.device)
    config = recipe("full", batch=options.batch, patch=options.patch, last_patch=0, held_out=0)
    opened = Pack.open(options.folder / "set.srpack")
    batches = source(opened, Planner(opened, split(opened, 0)[0], config), device)
    model = build(options.model, options.scale).to(device).module
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-4)

    def step(number):
        lr, hr = (part.contiguous() for part in batches(number, options.patch))
        loss = torch.nn.functional.l1_loss(model(lr), hr)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    with float32(device):  # as the matrix product beside it
        return _timed(step, options) | {"precision": "fp32"}


def super_image(options):
    """Its Trainer, DataLoader and TrainDataset as they are; each epoch is `steps` batches, the evaluation left out."""
    import _super_image

    model_class, config_class, trainer_class, arguments_class, dataset_class = _super_image.load()
    size = sizes()[options.model]
    config = config_class(
        scale=options.scale, bam=size.attention == "bam", n_resgroups=size.groups, n_resblocks=size.blocks,
        n_feats=size.features, reduction=size.reduction,
    )  # fmt: skip
    pairs = [
        {"hr": str(options.folder / "HR" / f"{name}.png"), "lr": str(options.folder / "LR" / f"{name}.png")}
        for name in PHOTOGRAPHS
    ]
    seconds = []

    def epochs(steps):
        items = (pairs * (steps * options.batch))[: steps * options.batch]
        arguments = arguments_class(
            output_dir=str(options.folder), num_train_epochs=2, per_device_train_batch_size=options.batch,
            no_cuda=options.device == "cpu",
        )  # fmt: skip
        trainer = trainer_class(
            model=model, args=arguments, train_dataset=dataset_class(items, patch_size=options.patch)
        )
        trainer.eval = lambda epoch: seconds.append(time.perf_counter())
        begun = time.perf_counter()
        trainer.train()
        return (seconds[-1] - begun) / (2 * steps)

    model = model_class(config)
    first = epochs(1)
    epochs(WARM_UP)
    rounds = [epochs(max(1, options.steps // 4)) for _ in range(2)]
    return {"seconds": statistics.median(rounds), "first": first, "peak": _peak(options), "precision": "fp32"}


CONTENDERS = {"srgrid": srgrid, "super-image Trainer": super_image, "plain eager fp32 PyTorch": plain}
KINDS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def _timed(step, options):
    """Median seconds of a step, over rounds: within one the CPU may run ahead of a GPU, as in a training."""
    sync = torch.cuda.synchronize if options.device.startswith("cuda") else (lambda: None)
    begun = time.perf_counter()
    step(0)
    sync()
    first = time.perf_counter() - begun
    for number in range(1, WARM_UP):
        step(number)
    length = 10 if options.device.startswith("cuda") else 1
    times = []
    for start in range(WARM_UP, WARM_UP + options.steps, length):
        sync()
        begun = time.perf_counter()
        for number in range(start, start + length):
            step(number)
        sync()
        times.append((time.perf_counter() - begun) / length)
    return {"seconds": statistics.median(times), "first": first, "peak": _peak(options)}


def _peak(options):
    if options.device.startswith("cuda"):
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _matrix_product(device, kind):
    """TFLOP/s of a square matrix product, the best of a few."""
    side = 8192 if device.startswith("cuda") else 2048
    a = torch.rand(side, side, device=device).to(kind)
    torch.set_float32_matmul_precision("highest")
    sync = torch.cuda.synchronize if device.startswith("cuda") else (lambda: None)
    best = float("inf")
    for _ in range(10):
        sync()
        begun = time.perf_counter()
        a @ a
        sync()
        best = min(best, time.perf_counter() - begun)
    return 2 * side**3 / best / 1e12


def _flops(options):
    model = build(options.model, options.scale).module
    with FlopCounterMode(display=False) as counter:
        model(torch.rand(1, 3, options.patch, options.patch)).mean().backward()
    return counter.get_total_flops() * options.batch


if __name__ == "__main__":
    main()
