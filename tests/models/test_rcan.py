"""The networks: published sizes, tensor names, numerics, hub round trip."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from torch import nn

import srgrid.models
from srgrid.errors import SrgridError
from srgrid.models import build, names
from srgrid.models.attention import BalancedAttention
from srgrid.models.rcan import Rcan, precisions
from srgrid.networks import RcanConfig


@pytest.mark.parametrize(("scale", "count"), [(2, 15_441_667), (3, 15_626_307), (4, 15_589_379)])
def test_full_size_has_the_published_number_of_parameters(scale, count):
    bam = sum(p.numel() for p in build("rcan-bam", scale).module.parameters())
    plain = sum(p.numel() for p in build("rcan", scale).module.parameters())
    assert (bam, plain) == (count, count + 3000)


def test_state_dict_names_are_those_of_the_published_checkpoints():
    bam, plain = build("rcan-bam", 4).module.state_dict(), build("rcan", 2).module.state_dict()
    block = "body.9.body.19.body."
    branch = [f"{block}3.{n}.weight" for n in ("ca.fc1", "ca.relu1", "ca.fc2", "sa.conv1")]
    convs = [block + n for n in ("0.weight", "0.bias", "2.weight", "2.bias")]
    shared = ["head.0.weight", "body.0.body.20.weight", "body.10.weight", "tail.0.0.weight", "tail.1.weight"]
    means = [f"{n}_mean.{k}" for n in ("sub", "add") for k in ("weight", "bias")]
    assert {*branch, *convs, *shared, *means, "tail.0.2.weight"} <= bam.keys()
    assert {f"{block}3.conv_du.{i}.{k}" for i in (0, 2) for k in ("weight", "bias")} <= plain.keys()
    assert "tail.0.2.weight" not in plain
    assert bam[f"{block}3.ca.relu1.weight"].shape == (4,)
    assert bam[f"{block}3.sa.conv1.weight"].shape == (1, 1, 7, 7)
    assert "body.9.body.19.body.3.ca.fc1.bias" not in bam


def test_mean_shift_is_constant_and_cancels():
    model = build("rcan-bam-xs", 2).module
    frozen = [n for n, p in model.named_parameters() if not p.requires_grad]
    assert frozen == ["sub_mean.weight", "sub_mean.bias", "add_mean.weight", "add_mean.bias"]
    x = torch.rand(1, 3, 5, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        shifted = model.add_mean(model.sub_mean(x))
    assert shifted.dtype == torch.float32
    torch.testing.assert_close(shifted, x, rtol=0, atol=1e-6)


def test_balanced_attention_is_the_product_of_its_two_branches():
    attention = BalancedAttention(8, 4)
    x = torch.randn(2, 8, 9, 7)
    pooled = x.mean((2, 3))
    hidden = pooled @ attention.ca.fc1.weight[:, :, 0, 0].T
    hidden = torch.where(hidden > 0, hidden, hidden * attention.ca.relu1.weight)
    channel = torch.sigmoid(hidden @ attention.ca.fc2.weight[:, :, 0, 0].T)[:, :, None, None]
    spatial = torch.sigmoid(nn.functional.conv2d(x.max(1, keepdim=True).values, attention.sa.conv1.weight, padding=3))
    torch.testing.assert_close(attention(x), channel * spatial * x)


@pytest.mark.parametrize("name", ["rcan-bam-xs", "rcan-s"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_output_is_scale_times_the_input(name, scale):
    assert build(name, scale).module(torch.rand(2, 3, 6, 5)).shape == (2, 3, 6 * scale, 5 * scale)


def test_a_network_in_0_to_255_computes_the_same_as_one_in_0_to_1():
    torch.manual_seed(0)
    small = Rcan(RcanConfig(2, 1, 1, 16, 4))
    large = Rcan(RcanConfig(2, 1, 1, 16, 4, rgb_range=255))
    # Linear layers commute with the range if their biases are scaled; attention does not, so compare without it.
    state = {k: v.clone() for k, v in small.state_dict().items() if "_mean." not in k}
    state |= {k: v * 255 for k, v in state.items() if k.endswith("bias")}
    large.load_state_dict(state, strict=False)
    for model in (small, large):
        model.body[0].body[0].body[3] = nn.Identity()
    x = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(large(x), small(x), rtol=0, atol=1e-5)
    assert precisions(small) == precisions(large) == ("fp32", "bf16")


def test_registry_lists_and_refuses():
    assert {"rcan-bam", "rcan", "rcan-bam-s", "rcan-s", "rcan-bam-xs"} == set(names())
    with pytest.raises(SrgridError, match="rcan-bam-s"):
        build("rcan-bm", 4)
    with pytest.raises(SrgridError, match="scale 5"):
        build("rcan", 5)


def test_hub_folder_round_trip(tmp_path, capsys):
    model = replace(build("rcan-bam-xs", 3), provenance={"steps": 7})
    model.module.eval()
    model.save_pretrained(tmp_path / "hub")
    assert {"model.safetensors", "config.json", "README.md"} <= {p.name for p in (tmp_path / "hub").iterdir()}
    again = srgrid.models.load(tmp_path / "hub", scale=3)
    alone = srgrid.models.load(tmp_path / "hub/model.safetensors", scale=3)
    for found in (again, alone):
        assert (found.config, found.name, found.provenance) == (model.config, "rcan-bam-xs", {"steps": 7})
    picture = Image.fromarray(data.chelsea()[:40, :60])
    assert np.array_equal(np.asarray(again.upscale(picture)), np.asarray(model.upscale(picture)))
    assert capsys.readouterr().out == ""
    with pytest.raises(SrgridError, match="scale 3, not 4"):
        srgrid.models.load(tmp_path / "hub", scale=4)


def test_hub_folder_with_missing_tensors_is_refused(tmp_path):
    build("rcan-bam-xs", 3).save_pretrained(tmp_path / "hub")
    build("rcan-bam-s", 3).save_pretrained(tmp_path / "other")
    (tmp_path / "other" / "model.safetensors").replace(tmp_path / "hub" / "model.safetensors")
    with pytest.raises(SrgridError, match="do not fit"):
        srgrid.models.load(tmp_path / "hub", scale=3)


def test_load_names_what_it_cannot_find(tmp_path, monkeypatch):
    monkeypatch.setenv("SRGRID_MODELS", str(tmp_path))
    with pytest.raises(SrgridError, match=r"rcan-bam-s_x2\.safetensors"):
        srgrid.models.load("rcan-bam-s", scale=2)
    with pytest.raises(SrgridError, match="neither a known name"):
        srgrid.models.load("espcn", scale=2)
    with pytest.raises(SrgridError, match=r"no\.safetensors"):
        srgrid.models.load(tmp_path / "no.safetensors", scale=2)


def test_a_named_model_loads_from_the_models_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SRGRID_MODELS", str(tmp_path))
    replace(build("rcan-s", 2), provenance={"steps": 1}).save(tmp_path / "rcan-s_x2.safetensors")
    loaded = srgrid.models.load("rcan-s", scale=2)
    assert (loaded.name, loaded.provenance) == ("rcan-s", {"steps": 1})
    grey = data.camera()[:30, :20]
    assert loaded.upscale(grey).shape == (60, 40)
