"""Weights files: bytes, precision, and every way they can be wrong."""

import hashlib
import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from srgrid.errors import SrgridError
from srgrid.models import build, describe, load


@pytest.fixture
def file(tmp_path):
    torch.manual_seed(1)
    path = tmp_path / "w.safetensors"
    replace(build("rcan-bam-xs", 3), provenance={"steps": 7, "data": "abc"}).save(path)
    return path


def test_a_model_is_built_from_its_file_alone(file):
    torch.manual_seed(1)
    model = build("rcan-bam-xs", 3)
    loaded = load(file, None)
    assert loaded.config == model.config
    assert loaded.name == "rcan-bam-xs"
    assert loaded.provenance == {"steps": 7, "data": "abc"}
    assert not loaded.module.training
    for key, value in model.module.state_dict().items():
        assert torch.equal(loaded.module.state_dict()[key], value)
    assert describe(file)["config"]["features"] == 24


@pytest.mark.parametrize("dtype", ["fp16", "fp32"])
def test_same_weights_same_bytes(tmp_path, dtype):
    digests = set()
    for name in "ab":
        torch.manual_seed(1)
        replace(build("rcan-s", 2), name="x", provenance={"b": 1, "a": [2]}).save(tmp_path / name, dtype)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_fp16_halves_the_file_and_keeps_the_mean_exact(tmp_path):
    model = build("rcan-bam-s", 4)
    for dtype in ("fp16", "fp32"):
        model.save(tmp_path / dtype, dtype)
    assert (tmp_path / "fp16").stat().st_size < 0.6 * (tmp_path / "fp32").stat().st_size < 2_000_000
    half = load(tmp_path / "fp16").module
    assert torch.equal(half.sub_mean.bias, model.module.sub_mean.bias)
    torch.testing.assert_close(half.head[0].weight, model.module.head[0].weight, rtol=1e-3, atol=1e-6)
    with pytest.raises(SrgridError, match="fp8"):
        model.save(tmp_path / "x", "fp8")


def test_another_scale_is_refused_by_name(file):
    with pytest.raises(SrgridError, match=r"w\.safetensors: built for scale 3, not 4"):
        load(file, scale=4)


def test_missing_torn_and_foreign_files(file, tmp_path):
    with pytest.raises(SrgridError, match="no such weights file"):
        load(tmp_path / "absent.safetensors")
    whole = file.read_bytes()
    for size in (0, 5, 100, len(whole) - 1):
        file.write_bytes(whole[:size])
        with pytest.raises(SrgridError, match="not a whole safetensors file"):
            load(file, None)
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(SrgridError, match="without srgrid's header"):
        load(tmp_path / "other.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, h: t.pop("tail.1.bias"), "1 missing, such as tail.1.bias"),
        (lambda t, h: t.update({"extra": torch.zeros(1)}), "1 unknown, such as extra"),
        (
            lambda t, h: t.update({"tail.1.bias": torch.zeros(4)}),
            r"tail.1.bias has shape \(4,\), the model wants \(3,\)",
        ),
        (lambda t, h: h.update(architecture="edsr"), "unknown model architecture 'edsr'"),
        (lambda t, h: h["config"].pop("groups"), "wrong keys"),
        (lambda t, h: h["config"].update(scale=7), "scale 7"),
    ],
)
def test_weights_that_do_not_fit(file, change, message):
    tensors, header = load_file(file), describe(file)
    change(tensors, header)
    save_file(tensors, file, metadata={"srgrid": json.dumps(header)})
    with pytest.raises(SrgridError, match=message):
        load(file, None)
