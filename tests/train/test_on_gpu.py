"""What only a card can show. Every test here waits for one; docs/training.md says what has run."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage import data

from srgrid.data.pack import Pack
from srgrid.models import build, run
from srgrid.models.architecture import Tiler
from srgrid.train import log, recipe
from srgrid.train.batches import Planner, source
from srgrid.train.learner import Learner, arithmetic
from srgrid.train.team import Team

pytestmark = pytest.mark.gpu
CPU, CARD = torch.device("cpu"), torch.device("cuda", 0)
MODEL = "rcan-bam-xs"


def _learner(config, device, name=MODEL):
    torch.manual_seed(0)
    return Learner(build(name, 2), config, Team(0, 1, device))


def _batches(path, config, device):
    pack = Pack.open(path)
    return source(pack, Planner(pack, list(range(len(pack))), config), device, slice(0, config.batch))


@pytest.mark.parametrize("compile_", ["off", "on"])
@pytest.mark.parametrize("optimiser", ["adam", "lamb", "muon"])
def test_full_size_steps_never_wait_for_the_device(packs, optimiser, compile_):
    config = recipe("full", optimiser=optimiser, compile=compile_, batch=16, last_patch=0, held_out=0)
    batches = _batches(packs[2], config, CARD)
    with arithmetic(config, CARD):
        learner = _learner(config, CARD, "rcan-bam")
        for number in range(4):  # compiles, warms up and records the CUDA graph
            learner.step(number, *batches(number, 48), 1e-4)
        losses = torch.zeros(8, device=CARD)
        torch.cuda.set_sync_debug_mode("error")
        try:
            for number in range(4, 12):
                losses[number - 4] = learner.step(number, *batches(number, 48), 1e-4)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert learner.compiles == (compile_ == "on")  # it has not fallen back
    assert bool(losses.isfinite().all())
    assert bool((losses > 0).all())


@pytest.mark.parametrize("optimiser", ["adam", "muon"])
def test_a_checkpoint_goes_from_cpu_to_gpu_and_back(packs, optimiser):
    config = recipe("demo", optimiser=optimiser, batch=4, patch=12)
    straight = _learner(config, CPU)
    moved = _learner(config, CPU)
    for part, device in enumerate((CPU, CARD, CPU)):
        if part:
            after = _learner(config, device)
            after.restore(moved.content())
            moved = after
        for number in range(3 * part, 3 * part + 3):
            expected = straight.step(number, *_batches(packs[2], config, CPU)(number, 12), 1e-3)
            with arithmetic(config, device):
                found = moved.step(number, *_batches(packs[2], config, device)(number, 12), 1e-3)
            torch.testing.assert_close(found.cpu(), expected, rtol=1e-3, atol=1e-5)
    for a, b in zip(moved.model.parameters(), straight.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-3)


def test_memory_that_runs_out_falls_back_to_fewer_images_and_tiles_and_gives_the_same():
    sides = []

    def noted(module, x, side):
        sides.append(side)
        return tiler.run(module, x, side)

    network = build("rcan-bam-s", 4).to(CARD)
    tiler = network.tiler
    images = [np.ascontiguousarray(np.roll(data.astronaut(), n, 0)) for n in range(4)]
    whole = [run.upscale_float(network, [image], precision="fp32")[0] for image in images]
    # Nothing is foreseen: it has to be run into.
    hasty = replace(network, tiler=Tiler(noted, lambda config: 0))
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1.5e9 / torch.cuda.get_device_properties(CARD).total_memory, CARD)
    try:
        found = run.upscale_float(hasty, images, precision="fp32")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, CARD)
    assert sides
    for a, b in zip(found, whole, strict=True):
        assert np.abs(a - b).max() < 0.01


@pytest.mark.parametrize("name", ["rcan-bam-s", "rcan-s"])
def test_fp32_on_a_gpu_is_the_cpus_to_a_hundredth_of_a_level(name):
    """TF32 would move 3 % of the samples by a level."""
    torch.manual_seed(0)
    network = build(name, 4)
    image = np.ascontiguousarray(data.chelsea()[40:168, 100:260])
    cpu = run.upscale_float(network, [image], precision="fp32")[0]
    torch.backends.cudnn.allow_tf32 = True
    gpu = run.upscale_float(network.to(CARD), [image], precision="fp32")[0]
    assert np.abs(gpu - cpu).max() < 0.01


@pytest.mark.parametrize("compile_", ["off", "on"])
def test_two_cards_follow_the_curve_of_one(packs, tmp_path, compile_):
    if torch.cuda.device_count() < 2:
        pytest.skip("one CUDA device")
    settings = f'{{"batch": 4, "patch": 12, "log_every": 2, "device": "cuda", "compile": "{compile_}"}}'
    words = ["-m", "srgrid", "train", "--model", MODEL, "--scale", "2", "--pack", packs[2], "--recipe", "demo"]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for name, head in (("one", []), ("two", torchrun)):
        out = ["--out", tmp_path / name / "w.safetensors", "--state", tmp_path / name, "--settings", settings]
        (tmp_path / name).mkdir()
        subprocess.run([sys.executable, *head, *words, *out, "--steps", "8"], check=True, env=os.environ, timeout=500)
    one, two = ([line["loss"] for line in log.read(tmp_path / n) if "loss" in line] for n in ("one", "two"))
    np.testing.assert_allclose(one, two, rtol=1e-2)
