"""Weights, trainings and packs: nothing wrong with them passes in silence."""

import errno
import hashlib
import io
import json
import math
import pickle
import resource
import shutil
import struct
import sys
import zipfile
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from skimage import data

import srgrid.models
from srgrid import images
from srgrid.cli import app
from srgrid.data.hrpack import pack_hr
from srgrid.data.pack import Pack, pack
from srgrid.errors import SrgridError
from srgrid.files import read_manifest
from srgrid.lock import hold
from srgrid.models import build, run
from srgrid.models.rcan import Rcan
from srgrid.models.rcan_infer import RANGES
from srgrid.networks import RcanConfig
from srgrid.records import file_digest
from srgrid.train import Interrupted, log, recipe, train
from srgrid.train.checkpoint import State
from srgrid.train.learner import Learner
from srgrid.upscale import Options, upscale_dir, upscale_path

MODEL = "rcan-bam-xs"


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A pack at x2 of four small photographs."""
    folder = tmp_path_factory.mktemp("packed")
    for name, image in {"a": data.astronaut(), "c": data.chelsea(), "d": data.coffee(), "k": data.camera()}.items():
        images.write(folder / "HR" / f"{name}.png", image[100:180, 120:200])
    pack([folder / "HR"], 2, folder / "x2.srpack")
    return folder / "x2.srpack"


@pytest.fixture
def lr(tmp_path):
    folder = tmp_path / "LR"
    images.write(folder / "good.png", data.astronaut()[:20, :24])
    images.write(folder / "later.png", data.coffee()[:20, :24])
    return folder


def _tiny(**changes):
    values = {"steps": 6, "batch": 2, "patch": 8, "held_out": 1, "validate_every": 4, "checkpoint_every": 2}
    return recipe("demo", **(values | {"threads": 1} | changes))


def _run(packed, folder, **changes):
    return train(MODEL, 2, packed, folder / "w.safetensors", folder / "state", _tiny(**changes))


@pytest.fixture(scope="module")
def finished(packed, tmp_path_factory):
    """A finished training: its folder holds w.safetensors and state."""
    folder = tmp_path_factory.mktemp("finished")
    _run(packed, folder, log_every=2)
    return folder


@pytest.fixture
def done(finished, tmp_path):
    """A copy of a finished training in tmp_path."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path


def _rcan(attention="ca", scale=2, shift=None, seed=0):
    """A small network's tensors under the published names; `shift` replaces the mean shift's biases."""
    torch.manual_seed(seed)
    state = Rcan(RcanConfig(scale, 2, 2, 16, 4, attention)).state_dict()
    if shift is not None:
        state["sub_mean.bias"] = torch.full((3,), -float(shift))
        state["add_mean.bias"] = torch.full((3,), float(shift))
    return OrderedDict(state)


# 5. Foreign checkpoints of the wrong range.


@pytest.mark.parametrize(
    ("attention", "shift", "expected"),
    [("ca", 0.43, 1), ("ca", 110, 255), ("ca", 114.4, 255), ("bam", 0.45, 1), ("bam", 114.4, 1)],
)
def test_the_mean_shift_tells_the_range_of_inputs(tmp_path, capsys, attention, shift, expected):
    torch.save(_rcan(attention, shift=shift), tmp_path / "m.pt")
    model = srgrid.models.load(tmp_path / "m.pt", scale=2)
    assert model.config.rgb_range == expected
    assert f"m.pt: inputs taken to be 0..{expected}" in capsys.readouterr().err
    assert model.provenance["rgb_range"] == expected
    assert "assumed" in model.provenance["rgb_range_from"]


def test_a_network_trained_on_0_to_1_computes_what_it_computed(tmp_path):
    torch.manual_seed(0)
    model = build("rcan-s", 2).module  # channel attention, inputs in 0..1
    torch.save(model.state_dict(), tmp_path / "m.pt")
    x = torch.rand(1, 3, 12, 10)
    torch.testing.assert_close(srgrid.models.load(tmp_path / "m.pt", scale=2).module(x), model(x))


@pytest.mark.parametrize("attention", ["ca", "bam"])
@pytest.mark.parametrize("shift", [0, 5, -0.45, 1000, None])
def test_where_nothing_tells_the_range_it_is_asked_for(tmp_path, attention, shift):
    state = _rcan(attention, shift=shift)
    if shift is None:  # no mean shift at all, as the BAM authors train
        state = {name: tensor for name, tensor in state.items() if "_mean." not in name}
    torch.save(state, tmp_path / "m.pt")
    with pytest.raises(SrgridError, match=r"m\.pt: nothing in it tells the range of its inputs.*--rgb-range 1 or 255"):
        srgrid.models.load(tmp_path / "m.pt", scale=2)
    for given in (1, 255):
        model = srgrid.models.load(tmp_path / "m.pt", scale=2, rgb_range=given)
        assert model.config.rgb_range == given
        assert "was given" in model.provenance["rgb_range_from"]
    if shift is None:
        assert model.module.sub_mean.bias.abs().max() == 0
    with pytest.raises(SrgridError, match="rgb_range 2: choose 1"):
        srgrid.models.load(tmp_path / "m.pt", scale=2, rgb_range=2)


def test_the_command_line_takes_and_records_the_range(tmp_path, lr):
    from click.testing import CliRunner

    torch.save(_rcan(shift=0), tmp_path / "m.pth")
    command = ["upscale", str(lr), str(tmp_path / "SR"), "--model", str(tmp_path / "m.pth"), "--scale", "2"]
    assert isinstance(CliRunner().invoke(app, command).exception, SrgridError)
    assert CliRunner().invoke(app, [*command, "--rgb-range", "255"]).exit_code == 0
    assert read_manifest(tmp_path / "SR")["made_by"]["config"]["rgb_range"] == 255


def test_a_range_that_our_own_file_contradicts_is_refused(tmp_path):
    build(MODEL, 2).save(tmp_path / "w.safetensors")
    with pytest.raises(SrgridError, match="leave rgb_range out"):
        srgrid.models.load(tmp_path / "w.safetensors", scale=2, rgb_range=255)
    assert srgrid.models.load(tmp_path / "w.safetensors", scale=2, rgb_range=1).config.rgb_range == 1


# 6. NaN.

DIVERGING = {"lr": 1e30, "clip": 0.0, "warmup": 0.0}


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 20, "log_every": 50},  # shorter than a log line
        {"steps": 20, "log_every": 50, "held_out": 0},
        {"steps": 23, "log_every": 10, "checkpoint_every": 100, "validate_every": 100},  # a last partial window
        {"steps": None, "minutes": 0.02, "log_every": 10**6, "checkpoint_every": 10**6, "validate_every": 10**6},
        {"steps": 20, "optimiser": "muon", "log_every": 50},
    ],
)
def test_a_training_that_diverges_writes_nothing(packed, tmp_path, changes):
    with pytest.raises(SrgridError, match=r"training diverged before step \d+ in fp32 .*set clip"):
        _run(packed, tmp_path, **DIVERGING, **changes)
    assert not (tmp_path / "w.safetensors").exists()
    assert list((tmp_path / "state").glob("*.ckpt")) == []


def test_good_checkpoints_outlive_a_divergence(packed, tmp_path, monkeypatch):
    real = Learner.step

    def step(self, number, *rest):
        loss = real(self, number, *rest)
        if number == 4:
            with torch.no_grad():
                self.average.head[0].weight[0, 0, 0, 0] = math.nan  # the loss does not show it
        return loss

    monkeypatch.setattr(Learner, "step", step)
    with pytest.raises(SrgridError, match=r"diverged before step 6 in fp32 \(average\.head\.0\.weight is not finite\)"):
        _run(packed, tmp_path, validate_every=100)
    kept = sorted((tmp_path / "state").glob("*.ckpt"))
    assert [path.name for path in kept] == ["step-000000002.ckpt", "step-000000004.ckpt"]
    with pytest.raises(SrgridError, match=r"not written: model\.w holds values that are not finite"):
        State(tmp_path / "state", {}).save({"step": 9, "model": {"w": torch.tensor([math.inf])}})
    assert sorted((tmp_path / "state").glob("*.ckpt")) == kept


def test_a_stopped_training_saves_no_nan(packed, tmp_path, monkeypatch):
    import signal

    def step(self, number, *rest):
        signal.raise_signal(signal.SIGTERM)
        return torch.tensor(math.nan)

    monkeypatch.setattr(Learner, "step", step)
    with pytest.raises(SrgridError, match="diverged before step 1"):
        _run(packed, tmp_path)
    assert list((tmp_path / "state").glob("*.ckpt")) == []


def test_checkpoints_with_nan_are_passed_over(packed, tmp_path, done, capsys):
    newest = max((tmp_path / "state").glob("step-*.ckpt"))
    raw = newest.read_bytes().partition(b"\n")[2]
    content = torch.load(io.BytesIO(raw), weights_only=True)
    content["average"]["head.0.weight"][:] = math.nan
    buffer = io.BytesIO()
    torch.save(content, buffer)
    head = b"srgrid-checkpoint 1 " + hashlib.sha256(buffer.getvalue()).hexdigest().encode() + b"\n"
    newest.write_bytes(head + buffer.getvalue())
    before = file_digest(tmp_path / "w.safetensors")
    capsys.readouterr()
    _run(packed, tmp_path)
    assert "average.head.0.weight holds values that are not finite; going back" in capsys.readouterr().err
    assert file_digest(tmp_path / "w.safetensors") == before


def _spoilt(path, value=math.nan):
    model = build(MODEL, 2)
    model.save(path)
    tensors = load_file(path)
    tensors["tail.1.weight"].view(-1)[3] = value
    header = {"architecture": "rcan", "name": MODEL, "config": vars(model.config), "provenance": {}}
    save_file(tensors, path, metadata={"srgrid": json.dumps(header)})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_that_are_not_finite_are_not_loaded(tmp_path, value):
    _spoilt(tmp_path / "w.safetensors", value)
    with pytest.raises(SrgridError, match=r"w\.safetensors: tail\.1\.weight holds values that are not finite"):
        srgrid.models.load(tmp_path / "w.safetensors", scale=2)
    state = _rcan("bam")
    state["body.2.bias"][1] = value
    torch.save(state, tmp_path / "m.pt")
    with pytest.raises(SrgridError, match=r"m\.pt: body\.2\.bias holds values that are not finite"):
        srgrid.models.load(tmp_path / "m.pt", scale=2)
    build(MODEL, 2).save_pretrained(tmp_path / "hub")
    _spoilt(tmp_path / "hub" / "model.safetensors", value)
    with pytest.raises(SrgridError, match="not finite"):
        srgrid.models.load(str(tmp_path / "hub"), scale=2)


def test_weights_that_are_not_finite_are_not_written(tmp_path):
    model = build(MODEL, 2)
    model.save(tmp_path / "w.safetensors")
    before = file_digest(tmp_path / "w.safetensors")
    with torch.no_grad():
        model.module.head[0].bias[0] = 1e6  # more than fp16 holds
    with pytest.raises(SrgridError, match=r"not written: head\.0\.bias"):
        model.save(tmp_path / "w.safetensors", "fp16")
    assert file_digest(tmp_path / "w.safetensors") == before
    model.save(tmp_path / "w.safetensors")


@pytest.mark.parametrize("kind", ["8bit", "float"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("tile", [None, 32])
def test_an_answer_that_is_not_finite_names_image_and_place(tmp_path, kind, precision, tile):
    images.write(tmp_path / "LR" / "bright.png", np.full((40, 40, 3), 255, np.uint8))
    images.write(tmp_path / "LR" / "dark.png", np.zeros((40, 40, 3), np.uint8))
    model = build(MODEL, 2)
    with torch.no_grad():  # finite weights, and an answer beyond fp32 for what is bright
        model.module.sub_mean.bias.zero_()
        model.module.head[0].bias.zero_()
        model.module.head[0].weight.fill_(3e38)
    model.save(tmp_path / "w.safetensors")
    options = Options(kind=kind, precision=precision, device="cpu", tile=tile)
    with pytest.raises(SrgridError, match=rf"bright\.png: .* in {precision} is not finite .* LR row 0, column 0"):
        upscale_dir(tmp_path / "LR", tmp_path / "SR", str(tmp_path / "w.safetensors"), 2, options=options)
    assert not (tmp_path / "SR").exists()
    out = tmp_path / f"one{options.suffix}"
    with pytest.raises(SrgridError, match=r"bright\.png"):
        upscale_path(tmp_path / "LR/bright.png", out, str(tmp_path / "w.safetensors"), 2, options=options)
    assert not out.exists()
    with pytest.raises(run.NotFiniteError, match="image 1 of 1"):
        model.upscale(np.full((40, 40, 3), 255, np.uint8))


# 10. What was really loaded.


def test_a_folder_records_the_file_that_was_read(tmp_path, lr):
    build(MODEL, 2).save_pretrained(tmp_path / "hub")
    folder = tmp_path / "super-image"
    folder.mkdir()
    for scale in (2, 3):
        torch.save(_rcan("bam", scale, seed=scale), folder / f"pytorch_model_{scale}x.pt")
    for source, file in ((tmp_path / "hub", "model.safetensors"), (folder, "pytorch_model_2x.pt")):
        upscale_dir(lr, tmp_path / "SR", str(source), 2)
        made_by = read_manifest(tmp_path / "SR")["made_by"]
        assert (made_by["weights"], made_by["weights_sha256"]) == (file, file_digest(source / file))
        assert srgrid.models.describe(source, 2)["sha256"] == file_digest(source / file)


def test_the_header_and_the_config_beside_it_must_agree(tmp_path):
    build(MODEL, 2).save_pretrained(tmp_path / "hub")
    config = json.loads((tmp_path / "hub/config.json").read_text())
    (tmp_path / "hub/config.json").write_text(json.dumps(config | {"rgb_range": 255.0}))
    with pytest.raises(SrgridError, match=r"do not fit the config\.json"):
        srgrid.models.load(tmp_path / "hub", scale=2)
    for text in ("{", "[1]", '{"scale": "two"}', json.dumps(config | {"groups": 1.5})):
        (tmp_path / "hub/config.json").write_text(text)
        with pytest.raises(SrgridError):
            srgrid.models.load(tmp_path / "hub", scale=2)


# 14. Changing what does not change the result goes on.


@pytest.mark.parametrize(
    "changes",
    [
        {"compile": "auto"},
        {"channels_last": False},
        {"validate_every": 3},
        {"precision": "auto"},
        {"weight_decay": 0.1},
        {"decay_at": [0.5]},
    ],
    ids=lambda c: next(iter(c)),
)
def test_a_training_goes_on_where_the_result_is_the_same(packed, finished, tmp_path, monkeypatch, capsys, changes):
    monkeypatch.setattr(run, "has_native_bf16", lambda device: False)
    _stop_at(4, monkeypatch)
    with pytest.raises(Interrupted):
        _run(packed, tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(run, "has_native_bf16", lambda device: False)
    _run(packed, tmp_path, **changes)
    assert "going on from step 5" in capsys.readouterr().err
    assert not list((tmp_path / "state").glob("set-aside-*"))
    resumed, straight = (
        srgrid.models.load(folder / "w.safetensors", scale=2).module for folder in (tmp_path, finished)
    )
    for own, other in zip(resumed.parameters(), straight.parameters(), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-3, atol=1e-5)


def _stop_at(step, monkeypatch):
    import signal

    real = Learner.step

    def stepping(self, number, *rest):
        if number == step:
            signal.raise_signal(signal.SIGTERM)
        return real(self, number, *rest)

    monkeypatch.setattr(Learner, "step", stepping)


@pytest.mark.parametrize(
    ("begun", "changes"),
    [
        ({}, {"lr": 1e-3}),
        ({}, {"precision": "bf16"}),
        ({}, {"export": "best"}),
        ({"export": "best"}, {"export": "best", "validate_every": 2}),
        ({"schedule": "step"}, {"schedule": "step", "decay_at": [0.5]}),
        ({"optimiser": "adamw"}, {"optimiser": "adamw", "weight_decay": 0.1}),
    ],
)
def test_what_changes_the_result_still_sets_a_training_aside(packed, tmp_path, capsys, begun, changes):
    _run(packed, tmp_path, steps=2, **begun)
    _run(packed, tmp_path, steps=2, **changes)
    assert f"different: recipe.{list(changes)[-1]}" in capsys.readouterr().err
    assert (tmp_path / "state/set-aside-1").is_dir()


def test_a_state_of_the_version_before_is_recognised(packed, tmp_path, done, capsys):
    record = tmp_path / "state/identity.json"
    old = json.loads(record.read_text())
    formerly = {"compile": "auto", "channels_last": True, "validate_every": 4, "weight_decay": 0.0, "precision": "auto"}
    old["recipe"] |= formerly | {"decay_at": [0.8], "decay_by": 0.1}
    record.write_text(json.dumps(old))
    _run(packed, tmp_path)
    assert "going on from step 6" in capsys.readouterr().err
    assert not list((tmp_path / "state").glob("set-aside-*"))
    assert "compile" not in json.loads(record.read_text())["recipe"]


def test_auto_goes_on_in_the_precision_a_training_was_begun_in(packed, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run, "has_native_bf16", lambda device: True)
    _stop_at(4, monkeypatch)
    with pytest.raises(Interrupted):
        _run(packed, tmp_path, precision="auto")
    monkeypatch.undo()
    monkeypatch.setattr(run, "has_native_bf16", lambda device: False)
    _run(packed, tmp_path, precision="auto")
    said = capsys.readouterr().err
    assert "was begun in bf16; going on in it" in said
    assert "going on from step 5" in said
    assert srgrid.models.load(tmp_path / "w.safetensors", scale=2).provenance["recipe"]["precision"] == "bf16"


def test_the_best_weights_are_not_replaced_by_the_last_in_silence(packed, tmp_path):
    _run(packed, tmp_path, export="best")
    best = tmp_path / "state/best.ckpt"
    best.write_bytes(best.read_bytes()[:-1])
    with pytest.raises(SrgridError, match=r"best\.ckpt: missing or damaged"):
        _run(packed, tmp_path, export="best")
    with pytest.raises(SrgridError, match="best is chosen on held-out images"):
        _tiny(export="best", held_out=0)


# 18. Wrapped checkpoints, and names that say little.


@pytest.mark.parametrize(
    ("wrap", "prefix"),
    [
        (("params",), ""),
        (("params_ema",), ""),
        (("model",), ""),
        (("state_dict",), ""),
        (("model", "state_dict"), "module."),
        (("state_dict",), "net_g."),
        (("state_dict",), "model."),
        ((), "module."),
        ((), "_orig_mod."),
        (("params",), "module._orig_mod."),
        ((), ""),
    ],
)
@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".bin", ".pth.tar", "", ".safetensors"])
def test_a_wrapped_checkpoint_is_opened(tmp_path, wrap, prefix, suffix):
    state = _rcan("bam")
    content = {f"{prefix}{name}": tensor for name, tensor in state.items()}
    if prefix == "net_g.":
        content["net_d.weight"] = torch.zeros(2)
    for key in reversed(wrap):
        content = {"epoch": 3, "optimizer": {"lr": 0.1}, key: content}
    file = tmp_path / f"model{suffix}"
    torch.save(content, file)
    model = srgrid.models.load(file, scale=2)
    for name, tensor in state.items():
        assert torch.equal(model.module.state_dict()[name], tensor)
    if wrap:
        assert model.provenance["taken_from"] == ".".join(wrap)


def test_the_average_is_taken_before_the_last_weights(tmp_path):
    last, average = _rcan("bam", seed=1), _rcan("bam", seed=2)
    torch.save({"params": last, "params_ema": average}, tmp_path / "m.pth")
    model = srgrid.models.load(tmp_path / "m.pth", scale=2)
    assert torch.equal(model.module.head[0].weight, average["head.0.weight"])
    assert model.provenance["taken_from"] == "params_ema"


def test_what_a_file_is_its_content_says(tmp_path):
    build(MODEL, 2).save(tmp_path / "w.safetensors")
    for name in ("w.pt", "w.ckpt", "w"):
        (tmp_path / name).write_bytes((tmp_path / "w.safetensors").read_bytes())
        assert srgrid.models.load(tmp_path / name, scale=2).name == MODEL
    torch.save(_rcan("bam"), tmp_path / "old.bin", _use_new_zipfile_serialization=False)
    assert srgrid.models.load(tmp_path / "old.bin", scale=2).config.groups == 2
    save_file(_rcan("ca", shift=114), tmp_path / "converted.safetensors")
    assert srgrid.models.load(tmp_path / "converted.safetensors", scale=2).config.rgb_range == 255


class _Exploit:
    def __reduce__(self):
        return (print, ("this code must never run",))


def _zip(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)
    return buffer.getvalue()


def _saved(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"<!DOCTYPE html><html>", "it looks like a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS pointer"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"\x1f\x8b\x08\x00", "gzip-compressed"),
        (b"srgrid-checkpoint 1 abc", "a training state"),
        (_zip(a_npy=b"x"), r"a zip file without PyTorch's data\.pkl"),
        (_zip(constants_pkl=b"x", data_pkl=b"x"), "no TorchScript that torch can read"),
        (_saved(_rcan("bam"))[:2000], "torn zip file"),
        (pickle.dumps({"a": 1}), "torn, or holds more than plain tensors"),
        (_saved([1, 2]), "it holds one list"),
        (_saved({"epoch": 3, "lr": 0.1}), "it holds epoch, lr"),
        (
            _saved({"state_dict": {"weight": _Exploit()}}),
            r"more than plain tensors \(print\), could run code",
        ),
        (_saved({"conv_1.weight": torch.zeros(2), "block_1.c1_r.weight": torch.zeros(2)}), "it looks like RLFN"),
        (_saved({"some.weight": torch.zeros(2)}), r"its first is some\.weight"),
    ],
)
def test_a_file_that_cannot_be_read_is_called_what_it_is(tmp_path, capsys, content, message):
    for name in ("m.pt", "m.safetensors", "m.pth.tar"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SrgridError, match=message):
            srgrid.models.load(tmp_path / name, scale=2)
    assert "this code" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["RLFN/rlfn_x4.pth", "RFDN/RFDN_AIM.pth", "DCTLSA/X4.pt", "CARN-M/carn_m.pth"])
def test_real_checkpoints_of_other_networks_are_named(name, monkeypatch):
    file = Path(__file__).resolve().parents[3] / "shared" / "weights" / name
    if not file.is_file():
        pytest.skip("no weights of other groups beside the checkout")
    looks = name.split("/", maxsplit=1)[0].removesuffix("-M")
    monkeypatch.setitem(sys.modules, "spandrel", None)  # as if it were not installed
    with pytest.raises(SrgridError, match=f"it looks like {looks}|a {looks} checkpoint of another program"):
        srgrid.models.load(file, scale=4)


# 20. File systems without locks.


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK])
def test_a_file_system_without_locks_is_said_and_gone_on_with(packed, tmp_path, monkeypatch, capsys, number):
    def refuse(*_):
        raise OSError(number, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", refuse)
    assert _run(packed, tmp_path, steps=2)["steps"] == 2
    assert capsys.readouterr().err.count("this file system has no locks (Function not implemented)") == 1


def test_a_lock_is_held_once_and_other_failures_have_a_message(tmp_path, monkeypatch):
    with (tmp_path / "lock").open("w") as first, (tmp_path / "lock").open("w") as second:
        assert hold(first, wait=False)
        assert not hold(second, wait=False)
        first.close()
        assert hold(second, wait=True)

        def fail(*_):
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr("fcntl.flock", fail)
        with pytest.raises(SrgridError, match=r"lock: cannot be locked \(Input/output error\)"):
            hold(second, wait=False)


def test_a_state_folder_that_cannot_be_used_is_named(packed, tmp_path):
    (tmp_path / "state").write_text("a file")
    with pytest.raises(SrgridError, match="state: cannot be used as state folder"):
        _run(packed, tmp_path)


# 25. Settings have types.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": math.nan}, "steps: nan is not a whole number"),
        ({"steps": True}, "steps: True is not a whole number"),
        ({"steps": "10"}, "steps: '10' is not a whole number"),
        ({"minutes": math.inf}, "minutes: inf is not a finite number"),
        ({"augment": "false"}, "augment: 'false' is not true or false"),
        ({"augment": 0}, "augment: 0 is not true or false"),
        ({"patch": 16.5}, r"patch: 16\.5 is not a whole number"),
        ({"patch": 16.0}, r"patch: 16\.0 is not a whole number"),
        ({"batch": 10**30}, "batch: must be at most 65536"),
        ({"decay_at": 5}, "decay_at: 5 is not a list of numbers"),
        ({"decay_at": "0.8"}, r"decay_at: '0\.8' is not a list of numbers"),
        ({"decay_at": [0.5, math.nan]}, "decay_at: .* is not a list of numbers"),
        ({"decay_at": []}, "is not a list of numbers"),
        ({"decay_at": [1.5]}, "decay_at: must be at most 1"),
        ({"lr": math.nan}, "lr: nan is not a finite number"),
        ({"lr": 10**400}, "lr: must be at most"),
        ({"lr": [1]}, r"lr: \[1\] is not a finite number"),
        ({"seed": 2**64}, "seed: must be at most"),
        ({"precision": True}, "precision: True is not one of auto, fp32, bf16"),
        ({"schedule": ["step"]}, "is not one of cosine, step"),
        ({"device": 0}, "device: 0 is not text"),
        ({"lrr": 1, "3": 1}, "training option '3', 'lrr': unknown; known options are steps"),
        ({"patch": "big", "lr": -1.0}, r"patch: 'big' is not a whole number\ntraining option lr: must not be negative"),
    ],
)
def test_a_setting_of_the_wrong_type_is_named_with_what_is_expected(changes, message):
    with pytest.raises(SrgridError, match=message):
        recipe("default", **changes)


def test_no_wrongly_typed_setting_passes():
    """Every setting against every kind of value: what is taken has the type that the setting has."""
    values = [
        None,
        True,
        0,
        3,
        10**400,
        -1,
        0.5,
        math.nan,
        math.inf,
        "",
        "adam",
        "0.5",
        [],
        [0.5],
        ["a"],
        {},
        {"a": 1},
        [[0]],
    ]
    own = recipe("default")
    taken = 0
    for field in vars(own):
        for value in values:
            try:
                made = getattr(recipe("default", **{field: value}), field)
            except SrgridError:
                continue
            taken += 1
            was = getattr(own, field)
            number = isinstance(was, float) or field == "minutes"
            assert made == was or type(made) is type(was) or (number and type(made) in (int, float)), (field, value)
            assert not (isinstance(made, bool) and not isinstance(was, bool)), (field, value)
    assert taken > 40


def test_weights_of_one_scale_serve_no_other(tmp_path, lr):
    build(MODEL, 2).save(tmp_path / "net.safetensors")
    torch.save(_rcan("bam"), tmp_path / "net.pt")
    build(MODEL, 2).save_pretrained(tmp_path / "hub")
    for name in ("net.safetensors", "net.pt", "hub"):
        with pytest.raises(SrgridError, match=rf"{name}.*: built for scale 2, not 3"):
            upscale_dir(lr, tmp_path / "SR", str(tmp_path / name), 3)


# 27. Small files, huge memory.


@pytest.fixture
def little_memory():
    """No more than 1 GiB beyond what is mapped now."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (mapped + (1 << 30), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


HUGE = [
    {"groups": 10**6},
    {"blocks": 10**6},
    {"groups": 10**9, "blocks": 10**9},
    {"features": 10**5},
    {"features": 10**12},
    {"groups": 10**300},
]


@pytest.mark.parametrize("change", HUGE, ids=str)
def test_a_header_that_asks_for_more_than_the_file_holds_is_refused_before_it_is_built(tmp_path, change, monkeypatch):
    _spoilt(tmp_path / "w.safetensors", 0.0)
    tensors = load_file(tmp_path / "w.safetensors")
    config = vars(build(MODEL, 2).config) | change
    header = {"architecture": "rcan", "name": "", "config": config, "provenance": {}}
    save_file(tensors, tmp_path / "w.safetensors", metadata={"srgrid": json.dumps(header)})
    monkeypatch.setattr(Rcan, "__init__", lambda *a: pytest.fail("was built"))
    with pytest.raises(SrgridError, match="do not fit"):
        srgrid.models.load(tmp_path / "w.safetensors", scale=2)


@pytest.mark.parametrize("index", [10**3, 10**5, 10**9, 10**30])
@pytest.mark.parametrize("name", ["body.{}.body.0.body.0.weight", "body.0.body.{}.body.0.weight"])
def test_a_key_with_a_huge_index_is_refused_before_anything_is_built(tmp_path, monkeypatch, index, name):
    state = _rcan("bam")
    state[name.format(index)] = state["body.0.body.0.body.0.weight"]
    torch.save(state, tmp_path / "m.pt")
    real = Rcan.__init__

    def init(self, config):
        assert config.groups * config.blocks < 10
        real(self, config)

    monkeypatch.setattr(Rcan, "__init__", init)
    with pytest.raises(SrgridError, match=r"m\.pt: (not an RCAN|the weights do not fit|its tensors overlap)"):
        srgrid.models.load(tmp_path / "m.pt", scale=2)


def test_sizes_are_those_of_the_file(tmp_path, little_memory):
    state = _rcan("bam")
    one = torch.zeros(1)
    for name, shape in (("head.0.weight", (10**5, 3, 10**3, 10**3)), ("extra", (10**12,))):
        torch.save(state | {name: one.expand(shape)}, tmp_path / "expanded.pt")
        with pytest.raises(SrgridError, match="its tensors overlap"):
            srgrid.models.load(tmp_path / "expanded.pt", scale=2)
    torch.save(state | {"extra": torch.zeros(10**6, 10**6, layout=torch.sparse_coo)}, tmp_path / "sparse.pt")
    with pytest.raises(SrgridError, match=r"extra is not a plain array of numbers|torn"):
        srgrid.models.load(tmp_path / "sparse.pt", scale=2)
    torch.save({"weight": torch.zeros(10, device="meta")}, tmp_path / "meta.pt")
    with pytest.raises(SrgridError):
        srgrid.models.load(tmp_path / "meta.pt", scale=2)
    _deflated(tmp_path / "bomb.pt")
    with pytest.raises(SrgridError, match="its records are compressed"):
        srgrid.models.load(tmp_path / "bomb.pt", scale=2)
    for length in (10**9, 2**63, 2**64 - 1):
        (tmp_path / "long.safetensors").write_bytes(struct.pack("<Q", length) + b"{" + b" " * 100)
        with pytest.raises(SrgridError, match="not a whole safetensors file"):
            srgrid.models.load(tmp_path / "long.safetensors", scale=2)


def _deflated(path):
    """A checkpoint whose 1 GiB of zeros is packed into 1 MiB."""
    small = _saved({"head.0.weight": torch.zeros(1)})
    with zipfile.ZipFile(io.BytesIO(small)) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            with target.open(name, "w") as out:
                if not name.endswith("data/0"):
                    out.write(source.read(name))
                    continue
                for _ in range(64):
                    out.write(bytes(1 << 20))


# 29. Parsers: header, pack, log, checkpoints.


@pytest.mark.parametrize(
    "header",
    [
        "[]", "3", "null", '"rcan"', "{", "[" * 10**5, "1" * 10**5,
        {"architecture": "rcan"},
        {"architecture": ["rcan"]},
        {"name": 3},
        {"provenance": [1]},
        {"provenance": None},
        {"config": []},
        {"config": {"scale": 2}},
        {"config.groups": "2"},
        {"config.groups": 2.0},
        {"config.groups": True},
        {"config.groups": None},
        {"config.groups": -1},
        {"config.reduction": 0},
        {"config.scale": [2]},
        {"config.rgb_range": math.nan},
        {"config.rgb_range": 0},
        {"config.rgb_range": "1"},
        {"config.attention": ["bam"]},
        {"config.attention": "x" * 10**5},
    ],
    ids=lambda h: str(h)[:40],
)  # fmt: skip
def test_a_damaged_weights_header_ends_in_a_message(tmp_path, header):
    model = build(MODEL, 2)
    if isinstance(header, dict):
        good = {"architecture": "rcan", "name": "", "config": dict(vars(model.config)), "provenance": {}}
        if list(header) == ["architecture"] and header["architecture"] == "rcan":
            good = {}
        for key, value in header.items():
            outer, _, inner = key.partition(".")
            good[outer] = good[outer] | {inner: value} if inner else value
        header = json.dumps(good)
    save_file(model.module.state_dict(), tmp_path / "w.safetensors", metadata={"srgrid": header})
    with pytest.raises(SrgridError, match=r"w\.safetensors: ") as raised:
        srgrid.models.load(tmp_path / "w.safetensors", scale=2)
    assert len(str(raised.value)) < 1000


def test_every_byte_of_a_pack_is_covered_by_a_digest(packed, tmp_path):
    whole = packed.read_bytes()
    (length,) = struct.unpack("<Q", whole[8:16])
    file = tmp_path / "x.srpack"
    rng = np.random.default_rng(0)
    places = {*range(48), *rng.integers(48, 48 + length, 300), *rng.integers(48 + length, len(whole), 20)}
    for place in sorted(map(int, places)):
        raw = bytearray(whole)
        raw[place] ^= 1 << int(rng.integers(8))
        file.write_bytes(raw)
        with pytest.raises(SrgridError, match=r"x\.srpack: "):
            Pack.open(file)
    file.write_bytes(b"SRPACK1\n" + whole[8:])
    with pytest.raises(SrgridError, match="of an earlier version; delete it and pack it again"):
        Pack.open(file)


def test_a_pack_trusts_no_word_of_the_hr_file_that_it_shares(tmp_path):
    """Another name, size or place of an image is refused, though both heads have their digests."""
    images.write(tmp_path / "Set/HR/a.png", np.zeros((9, 8, 3), np.uint8))
    images.write(tmp_path / "Set/HR/b.png", np.ones((7, 9, 3), np.uint8))
    pack_hr([tmp_path / "Set/HR"], tmp_path / "set.srhr")
    pack([tmp_path / "set.srhr"], 2, tmp_path / "x.srpack")
    changes = {
        "x.srpack": [
            lambda m: m.pop("hr"),
            lambda m: m.update(hr={"file": 3, "sha256": ""}),
            lambda m: m["hr"].update(file="a\0b"),
            lambda m: m["images"][0].update(name="b"),
            lambda m: m["images"][0].update(height=5),
            lambda m: m["images"][1].update(lr_offset=0),
            lambda m: m["images"][1].update(hr_offset=0),
            lambda m: m["images"].pop(),
        ],
        "set.srhr": [
            lambda m: m["images"][0].update(name="Set/b"),
            lambda m: m["images"][0].update(height=8),
            lambda m: m["images"][1].update(offset=0),
            lambda m: m.update(bytes="1"),
            lambda m: m["images"].pop(),
        ],
    }
    for name, ways in changes.items():
        whole = (tmp_path / name).read_bytes()
        (length,) = struct.unpack("<Q", whole[8:16])
        for change in ways:
            manifest = json.loads(whole[48 : 48 + length])
            change(manifest)
            text = json.dumps(manifest).encode()
            head = whole[:8] + struct.pack("<Q", len(text)) + hashlib.sha256(text).digest() + text
            (tmp_path / name).write_bytes(head + whole[48 + length :])
            with pytest.raises(SrgridError, match=r"x\.srpack: "):
                Pack.open(tmp_path / "x.srpack")
        (tmp_path / name).write_bytes(whole)
    Pack.open(tmp_path / "x.srpack")


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.pop("images"),
        lambda m: m.update(images=[]),
        lambda m: m.update(images={"a": 1}),
        lambda m: m.update(scale="2"),
        lambda m: m.update(scale=0),
        lambda m: m.update(bytes=-1),
        lambda m: m["images"][0].update(height=10**9),
        lambda m: m["images"][0].update(height=1.5),
        lambda m: m["images"][0].update(name=None),
        lambda m: m["images"][1].update(hr_offset=0),
        lambda m: m["images"][0].update(colour=1),
        lambda m: m["images"].pop(),
    ],
)
def test_a_packs_head_must_describe_its_samples(packed, tmp_path, change):
    whole = packed.read_bytes()
    (length,) = struct.unpack("<Q", whole[8:16])
    manifest = json.loads(whole[48 : 48 + length])
    change(manifest)
    text = json.dumps(manifest).encode()
    head = b"SRPACK2\n" + struct.pack("<Q", len(text)) + hashlib.sha256(text).digest() + text
    (tmp_path / "x.srpack").write_bytes(head + whole[48 + length :])
    with pytest.raises(SrgridError, match=r"x\.srpack: (damaged|torn) training pack"):
        Pack.open(tmp_path / "x.srpack")


@pytest.mark.parametrize(
    "line", ["3", "[]", "{}", '{"step": "4"}', '{"step": NaN}', '{"step": 4, "loss": NaN}', "\x00"]
)
def test_a_damaged_line_of_the_log_is_named(packed, tmp_path, done, capsys, line):
    file = tmp_path / "state/log.jsonl"
    first = file.read_text().splitlines()[0]
    file.write_bytes(f"{first}\n{line}\n{first}\n".encode() + b"\xff\xfe\n")
    assert len(log.read(tmp_path / "state")) == 1
    assert "log.jsonl: line 2 is damaged" in capsys.readouterr().err
    _run(packed, tmp_path, log_every=2)  # the training itself is not harmed
    file.write_text(f"{first}\n" + '{"step": 4, "los')  # cut short by a kill
    capsys.readouterr()
    assert len(log.read(tmp_path / "state")) == 1
    assert capsys.readouterr().err == ""


def _signed(content):
    raw = content if isinstance(content, bytes) else _saved(content)
    return b"srgrid-checkpoint 1 " + hashlib.sha256(raw).hexdigest().encode() + b"\n" + raw


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x02.",
        b"\x80\x02}(K\x01",
        pickle.dumps(_Exploit(), 2),
        [1],
        {},
        {"step": "x"},
        {"step": {"weight": _Exploit()}},
    ],
    ids=lambda c: str(c)[:20],
)
def test_hostile_checkpoints_are_passed_over(packed, tmp_path, done, capsys, content):
    before = file_digest(tmp_path / "w.safetensors")
    (tmp_path / "state/step-000000009.ckpt").write_bytes(_signed(content))
    capsys.readouterr()
    _run(packed, tmp_path)
    said = capsys.readouterr()
    assert "step-000000009.ckpt: torn checkpoint; going back" in said.err
    assert "this code" not in said.out
    assert file_digest(tmp_path / "w.safetensors") == before


def test_a_checkpoint_of_something_else_ends_in_a_message(packed, tmp_path, done):
    newest = max((tmp_path / "state").glob("step-*.ckpt"))
    whole = torch.load(io.BytesIO(newest.read_bytes().partition(b"\n")[2]), weights_only=True)
    for change in (
        {"model": {}},
        {"model": None},
        {"optimisers": []},
        {"seconds": "long"},
        {"sessions": True},
        {"average": {**whole["average"], "head.0.weight": torch.zeros(1)}},
    ):
        newest.write_bytes(_signed(whole | change))
        with pytest.raises(SrgridError, match=r"checkpoint: "):
            _run(packed, tmp_path)
    (tmp_path / "state/identity.json").write_bytes(b"[" * 10**5)
    _run(packed, tmp_path)  # set aside and trained anew
    assert (tmp_path / "state/set-aside-1").is_dir()


def test_another_layout_in_memory_does_not_mix_up_momenta(packed, tmp_path, monkeypatch, capsys):
    """A fused step walks through parameter and momentum alike: after resuming both must lie in the same order."""
    _stop_at(4, monkeypatch)
    with pytest.raises(Interrupted):
        _run(packed, tmp_path, channels_last=True)
    monkeypatch.undo()
    seen = []
    real = Learner.step

    def step(self, *rest):
        state = self.optimisers[0].state
        seen.append(all(value.stride() == p.stride() for p, s in state.items() for value in s.values() if value.ndim))
        return real(self, *rest)

    monkeypatch.setattr(Learner, "step", step)
    _run(packed, tmp_path, channels_last=False)
    assert "going on from step 5" in capsys.readouterr().err
    assert seen
    assert all(seen)


def test_a_recipe_is_a_value():
    assert replace(_tiny(), steps=9).steps == 9
    with pytest.raises(SrgridError, match="steps"):
        replace(_tiny(), steps=9.5)
    assert RANGES == (1.0, 255.0)
