"""Training for real, in miniature: exactness, interruption, warm start, several processes."""

import hashlib
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from srgrid.data.pack import Pack, pack
from srgrid.errors import SrgridError
from srgrid.models import load
from srgrid.resize import imresize
from srgrid.train import Interrupted, TrainConfig, log, loop, recipe, train
from srgrid.train.learner import Learner, fresh
from srgrid.train.loop import validate

MODEL = "rcan-bam-xs"


def _tiny(**changes) -> TrainConfig:
    values = {
        "steps": 12, "batch": 4, "patch": 12, "held_out": 2, "validate_every": 6, "checkpoint_every": 4, "log_every": 2,
        "threads": 1,
    }  # fmt: skip
    return recipe("demo", **(values | changes))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def straight(packs, tmp_path_factory):
    """The tiny recipe run without interruption."""
    folder = tmp_path_factory.mktemp("straight")
    summary = train(MODEL, 2, packs[2], folder / "w.safetensors", folder / "state", _tiny())
    return folder, summary


def test_two_runs_write_the_same_bytes(packs, straight, tmp_path):
    train(MODEL, 2, packs[2], tmp_path / "w.safetensors", tmp_path / "state", _tiny())
    assert _digest(tmp_path / "w.safetensors") == _digest(straight[0] / "w.safetensors")
    train(MODEL, 2, packs[2], tmp_path / "v.safetensors", tmp_path / "state2", _tiny(seed=1))
    assert _digest(tmp_path / "v.safetensors") != _digest(straight[0] / "w.safetensors")


def test_weights_say_which_degradation_they_were_trained_on(packs, straight, tmp_path):
    """In their header; a state of "matlab" is recorded as before there were others, and a begun training goes on."""
    folder, _ = straight
    made = load(folder / "w.safetensors", scale=2).provenance["data"]["degradation"]
    assert made == {"name": "matlab", "steps": [{"modcrop": "scale"}, {"imresize": "1/scale"}]}
    assert "degradation" not in json.loads((folder / "state/identity.json").read_text())["data"]
    pack([packs[2].parent / "HR"], 2, tmp_path / "x2.srpack", "pillow")
    train(MODEL, 2, tmp_path / "x2.srpack", tmp_path / "w.safetensors", tmp_path / "state", _tiny(steps=1))
    assert load(tmp_path / "w.safetensors", scale=2).provenance["data"]["degradation"]["name"] == "pillow"
    assert json.loads((tmp_path / "state/identity.json").read_text())["data"]["degradation"]["name"] == "pillow"


def test_what_the_files_say(packs, straight):
    folder, summary = straight
    made = load(folder / "w.safetensors", scale=2).provenance
    pack = Pack.open(packs[2])
    assert (made["steps"], made["data"]["sha256"], made["init"]) == (12, pack.digest, None)
    assert made["recipe"]["lr"] == _tiny().lr
    assert made["data"]["held_out"] == [pack.entries[1].name, pack.entries[4].name]
    assert made["psnr"] == summary["psnr"]
    sidecar = json.loads((folder / "w.json").read_text())
    assert sidecar["weights_sha256"] == _digest(folder / "w.safetensors")
    assert sidecar["measured"]["seconds"] == pytest.approx(summary["seconds"], abs=1e-2)
    assert sidecar["measured"]["hardware"]
    lines = log.read(folder / "state")
    assert [line["step"] for line in lines if "loss" in line] == [2, 4, 6, 8, 10, 12]
    assert [line["step"] for line in lines if "psnr" in line] == [6, 12]
    model = load(folder / "w.safetensors", scale=2)
    assert validate(model, pack, [1, 4], "fp32") == pytest.approx(summary["psnr"], abs=1e-4)


@pytest.mark.parametrize("at", [0, 1, 5, 8, 11])
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_interrupted_and_resumed_is_bit_identical(packs, straight, tmp_path, monkeypatch, at, signum):
    real = Learner.step

    def step(self, number, *rest):
        if number == at:
            signal.raise_signal(signum)
        return real(self, number, *rest)

    arguments = (MODEL, 2, packs[2], tmp_path / "w.safetensors", tmp_path / "state", _tiny())
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", step)
        if at == 11:  # the last step: nothing is left to interrupt
            train(*arguments)
        else:
            with pytest.raises(Interrupted, match=f"at step {at + 1}") as stopped:
                train(*arguments)
            assert stopped.value.exit_status == 128 + signum
            assert not (tmp_path / "w.safetensors").exists()
    train(*arguments)
    assert _digest(tmp_path / "w.safetensors") == _digest(straight[0] / "w.safetensors")
    losses = [{k: line[k] for k in ("step", "loss", "lr")} for line in log.read(tmp_path / "state") if "loss" in line]
    straight_losses = [line for line in log.read(straight[0] / "state") if "loss" in line]
    assert losses == [{k: line[k] for k in ("step", "loss", "lr")} for line in straight_losses]


def test_muons_momentum_survives_an_interruption(packs, tmp_path, monkeypatch):
    config, real = _tiny(optimiser="muon", lr=1e-3), Learner.step

    def step(self, number, *rest):
        if number == 5:
            signal.raise_signal(signal.SIGTERM)
        return real(self, number, *rest)

    train(MODEL, 2, packs[2], tmp_path / "a.safetensors", tmp_path / "a", config)
    train(MODEL, 2, packs[2], tmp_path / "adam.safetensors", tmp_path / "adam", _tiny(lr=1e-3))
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", step)
        with pytest.raises(Interrupted):
            train(MODEL, 2, packs[2], tmp_path / "b.safetensors", tmp_path / "b", config)
    train(MODEL, 2, packs[2], tmp_path / "b.safetensors", tmp_path / "b", config)
    assert _digest(tmp_path / "a.safetensors") == _digest(tmp_path / "b.safetensors")
    assert _digest(tmp_path / "a.safetensors") != _digest(tmp_path / "adam.safetensors")


_SCRIPT = """
import json, sys
from pathlib import Path
from types import SimpleNamespace
from srgrid.train import Interrupted, recipe, train
model, scale, pack, folder, changes = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]), sys.argv[5]
try:
    train(model, scale, pack, folder / "w.safetensors", folder / "state", recipe("demo", **json.loads(changes)))
except Interrupted as stopped:
    print(stopped, file=sys.stderr)
    sys.exit(stopped.exit_status)
"""


def _start(packs, folder: Path, launcher: tuple[str, ...] = (), **changes) -> subprocess.Popen:
    script = folder / "script.py"
    folder.mkdir(exist_ok=True)
    script.write_text(_SCRIPT)
    values = {k: v for k, v in vars(_tiny(**changes)).items() if v is not None}
    arguments = [MODEL, "2", str(packs[2]), str(folder), json.dumps(values)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *launcher, str(script), *arguments], stderr=subprocess.PIPE, text=True, env=environment
    )


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_process_goes_on_to_the_same_bytes(packs, tmp_path, signum):
    long = {"steps": 60, "checkpoint_every": 5}
    with _start(packs, tmp_path / "a", **long) as process:
        deadline = time.monotonic() + 120
        while not list((tmp_path / "a" / "state").glob("step-*")) and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signum)
        said = process.communicate()[1]
    assert process.returncode == (-9 if signum == signal.SIGKILL else 143), said
    assert not (tmp_path / "a" / "w.safetensors").exists()
    with _start(packs, tmp_path / "a", **long) as process:
        said = process.communicate()[1]
    assert process.returncode == 0, said
    assert "going on from step" in said
    train(MODEL, 2, packs[2], tmp_path / "w.safetensors", tmp_path / "state", _tiny(**long))
    assert _digest(tmp_path / "a" / "w.safetensors") == _digest(tmp_path / "w.safetensors")


def test_a_finished_state_exports_again_without_training(packs, straight, monkeypatch):
    folder, _ = straight
    before = _digest(folder / "w.safetensors")
    (folder / "w.safetensors").unlink()
    monkeypatch.setattr(Learner, "step", lambda *a: pytest.fail("trained again"))
    summary = train(MODEL, 2, packs[2], folder / "w.safetensors", folder / "state", _tiny())
    assert _digest(folder / "w.safetensors") == before
    assert summary["steps"] == 12


def test_another_recipe_starts_fresh(packs, tmp_path, capsys):
    first = _tiny(steps=4)
    train(MODEL, 2, packs[2], tmp_path / "w.safetensors", tmp_path / "state", first)
    train(MODEL, 2, packs[2], tmp_path / "v.safetensors", tmp_path / "state", _tiny(steps=4, lr=1e-3))
    assert "different: recipe.lr" in capsys.readouterr().err
    train(MODEL, 2, packs[2], tmp_path / "u.safetensors", tmp_path / "fresh", _tiny(steps=4, lr=1e-3))
    assert _digest(tmp_path / "v.safetensors") == _digest(tmp_path / "u.safetensors")


def test_it_learns(packs, tmp_path):
    config = _tiny(steps=150, batch=4, patch=16, validate_every=50, log_every=50)
    summary = train(MODEL, 2, packs[2], tmp_path / "w.safetensors", tmp_path / "state", config)
    losses = [line["loss"] for line in log.read(tmp_path / "state") if "loss" in line]
    assert losses[-1] < 0.5 * losses[0]
    untrained = validate(fresh(MODEL, 2, _tiny(), None), Pack.open(packs[2]), [1, 4], "fp32")
    assert summary["psnr"] > untrained + 8


def test_warm_start_takes_the_trunk_and_leaves_the_tail(packs, straight, tmp_path):
    init = straight[0] / "w.safetensors"
    start = fresh(MODEL, 3, _tiny(), init).module.state_dict()
    source, new = load(init, scale=2).module.state_dict(), fresh(MODEL, 3, _tiny(), None).module.state_dict()
    for key, value in start.items():
        assert torch.equal(value, (new if key.startswith("tail.") else source)[key])
    assert torch.equal(fresh(MODEL, 2, _tiny(), init).module.state_dict()["tail.1.weight"], source["tail.1.weight"])
    config = _tiny(steps=2)
    train(MODEL, 3, packs[3], tmp_path / "w.safetensors", tmp_path / "state", config, init=init)
    assert load(tmp_path / "w.safetensors", scale=3).provenance["init"] == _digest(init)
    with pytest.raises(SrgridError, match="another size or activation; it cannot start rcan-s"):
        train("rcan-s", 2, packs[2], tmp_path / "v.safetensors", tmp_path / "state2", config, init=init)


def test_the_best_weights_can_be_exported(packs, tmp_path, monkeypatch):
    answers = iter([30.0, 20.0])
    monkeypatch.setattr("srgrid.train.loop.validate", lambda *a: next(answers))
    summary = train(MODEL, 2, packs[2], tmp_path / "w.safetensors", tmp_path / "state", _tiny(export="best"))
    assert (summary["exported_step"], summary["psnr"], summary["steps"]) == (6, 30.0, 12)
    best = torch.load(
        __import__("io").BytesIO((tmp_path / "state" / "best.ckpt").read_bytes().partition(b"\n")[2]), weights_only=True
    )
    assert torch.equal(
        load(tmp_path / "w.safetensors", scale=2).module.head[0].weight, best["average"]["head.0.weight"]
    )


def _clock(monkeypatch, tick):
    """The loop's clock, which advances by `tick` seconds whenever it is read."""
    readings = itertools.count()
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(readings) * tick))


def test_a_time_budget_ends_on_time_with_a_spent_schedule(packs, tmp_path, monkeypatch):
    _clock(monkeypatch, 0.05)
    config = _tiny(minutes=0.06, steps=None, log_every=1, held_out=0)
    summary = train(MODEL, 2, packs[2], tmp_path / "w.safetensors", tmp_path / "state", config)
    assert summary["seconds"] == pytest.approx(3.6, abs=0.5)
    rates = [line["lr"] for line in log.read(tmp_path / "state")]
    assert len(rates) > 10
    assert rates[-1] < 0.1 * max(rates)


def test_a_budget_too_short_for_one_step_gives_no_weights(packs, tmp_path, monkeypatch):
    _clock(monkeypatch, 5)
    with pytest.raises(SrgridError, match=r"0\.06 minutes were over before the first step"):
        train(MODEL, 2, packs[2], tmp_path / "w.safetensors", tmp_path / "state", _tiny(minutes=0.06, steps=None))
    assert not (tmp_path / "w.safetensors").exists()


def test_divergence_is_an_error_not_a_result(packs, tmp_path, monkeypatch):
    monkeypatch.setattr(Learner, "step", lambda *a: torch.tensor(math.nan))
    with pytest.raises(SrgridError, match="diverged before step 2"):
        train(MODEL, 2, packs[2], tmp_path / "w.safetensors", tmp_path / "state", _tiny())
    assert not (tmp_path / "w.safetensors").exists()


def test_bad_input_is_named(packs, tmp_path):
    arguments = (tmp_path / "w.safetensors", tmp_path / "state")
    with pytest.raises(SrgridError, match="packed for scale 3, not 2"):
        train(MODEL, 2, packs[3], *arguments, _tiny())
    with pytest.raises(SrgridError, match="model 'rcan-xl': unknown"):
        train("rcan-xl", 2, packs[2], *arguments, _tiny())
    with pytest.raises(SrgridError, match="device 'warp': unknown"):
        train(MODEL, 2, packs[2], *arguments, _tiny(device="warp"))
    with pytest.raises(SrgridError, match="choose such a name"):
        train(MODEL, 2, packs[2], tmp_path / "w.pt", tmp_path / "state", _tiny())
    assert list(tmp_path.iterdir()) == []


def test_processes_that_see_other_folders_go_on_from_process_0s_checkpoint(packs, tmp_path):
    """Nodes without a shared file system: only process 0's folder holds the training."""
    settings = {"checkpoint_every": 4, "steps": 8}
    code = (
        "import os, sys; from pathlib import Path; from srgrid.train import train, recipe; "
        f"r = recipe('demo', batch=4, patch=12, threads=1, **{settings}); "
        "f = Path(sys.argv[2]) / os.environ['RANK']; f.mkdir(exist_ok=True); "
        "train('rcan-bam-xs', 2, Path(sys.argv[1]), f / 'w.safetensors', f / 'state', r)"
    )
    (tmp_path / "run.py").write_text(code.replace("; ", "\n"))
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    made = []
    for _ in range(2):  # the second goes on from what the first has left: one folder with checkpoints, one without
        subprocess.run([*words, tmp_path / "run.py", packs[2], tmp_path], check=True, timeout=120, capture_output=True)
        made.append((tmp_path / "0" / "w.safetensors").read_bytes())
        (tmp_path / "0" / "state" / "step-000000008.ckpt").unlink()
    assert made[0] == made[1]
    assert not list((tmp_path / "1").rglob("step-*"))


@pytest.mark.parametrize(
    "changes",
    [{}, {"optimiser": "muon", "lr": 1e-3}, pytest.param({"compile": "on"}, marks=pytest.mark.slow)],
    ids=["adam", "muon", "compiled"],
)
def test_two_processes_follow_the_curve_of_one(packs, tmp_path, changes):
    """torchrun, gloo, the same global batch: losses and weights agree to float tolerance."""
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    with _start(packs, tmp_path / "two", torchrun, steps=8, **changes) as process:
        said = process.communicate()[1]
    assert process.returncode == 0, said
    train(MODEL, 2, packs[2], tmp_path / "one" / "w.safetensors", tmp_path / "one" / "state", _tiny(steps=8, **changes))
    one, two = (log.read(tmp_path / name / "state") for name in ("one", "two"))
    for key in ("loss", "psnr"):
        a, b = ([line[key] for line in lines if key in line] for lines in (one, two))
        assert len(a) == len(b) > 0
        np.testing.assert_allclose(a, b, rtol=2e-4)
    models = [load(tmp_path / name / "w.safetensors", scale=2).module for name in ("one", "two")]
    for p, q in zip(*(m.parameters() for m in models), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-2, atol=2e-4)


def test_tensorboard_gets_the_curves(packs, tmp_path):
    train(MODEL, 2, packs[2], tmp_path / "w.safetensors", tmp_path / "state", _tiny(steps=4, tensorboard=True))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "state" / "tensorboard")).Reload()
    assert [e.step for e in events.Scalars("loss")] == [2, 4]
    assert len(events.Scalars("psnr")) == 1


def test_compiled_bf16_trains_like_eager_fp32(packs, tmp_path):
    config = {"steps": 30, "patch": 16, "log_every": 10, "held_out": 0}
    losses = {}
    for name, changes in {"eager": {}, "compiled": {"compile": "on", "precision": "bf16"}}.items():
        state = tmp_path / name
        train(MODEL, 2, packs[2], tmp_path / f"{name}.safetensors", state, _tiny(**config, **changes))
        losses[name] = [line["loss"] for line in log.read(state)]
    np.testing.assert_allclose(losses["compiled"], losses["eager"], rtol=0.1)


@pytest.mark.gpu
@pytest.mark.parametrize("compile_", ["off", "on"])
def test_gpu_trains_resumes_and_agrees_with_the_cpu(packs, tmp_path, monkeypatch, compile_):
    config = _tiny(device="cuda", steps=20, compile=compile_, precision="bf16")
    summary = train(MODEL, 2, packs[2], tmp_path / "w.safetensors", tmp_path / "gpu", config)
    train(MODEL, 2, packs[2], tmp_path / "v.safetensors", tmp_path / "cpu", _tiny(steps=20))
    gpu, cpu = ([line["loss"] for line in log.read(tmp_path / n) if "loss" in line] for n in ("gpu", "cpu"))
    np.testing.assert_allclose(gpu, cpu, rtol=0.1)
    assert summary["steps"] == 20
    again = train(MODEL, 2, packs[2], tmp_path / "u.safetensors", tmp_path / "gpu", config)
    assert again["psnr"] == summary["psnr"]


def test_the_lr_images_are_the_exact_ones(packs):
    for _, hr, lr in Pack.open(packs[4]).pairs():
        np.testing.assert_array_equal(imresize(np.ascontiguousarray(hr), 0.25), lr)
