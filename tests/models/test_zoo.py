"""Checkpoints that spandrel knows (srgrid[zoo]): with the real library, on tiny networks of its own classes."""

import sys

import numpy as np
import pytest
import torch
from skimage import data

from srgrid import images
from srgrid.errors import SrgridError
from srgrid.files import read_manifest
from srgrid.models import describe, load
from srgrid.settings import Options
from srgrid.upscale import upscale_dir

SWINIR = {"layers.0.residual_group.blocks.0.attn.qkv.weight": torch.zeros(3, 3)}


@pytest.fixture
def spandrel():
    try:
        import spandrel
    except (ImportError, RuntimeError) as error:  # torchvision of another torch
        pytest.skip(f"no spandrel that runs ({error}): pip install srgrid[zoo]")
    return spandrel


@pytest.fixture
def swinir(spandrel, tmp_path):
    """A SwinIR of one layer at x2, which wants sides of multiples of its windows, and its checkpoint."""
    from spandrel.architectures.SwinIR import SwinIR

    torch.manual_seed(1)
    sizes = {"embed_dim": 12, "depths": [2], "num_heads": [2], "window_size": 8, "mlp_ratio": 2}
    module = SwinIR(img_size=64, upscale=2, upsampler="pixelshuffledirect", **sizes).eval()
    torch.save({"params_ema": module.state_dict()}, tmp_path / "tiny.pth")
    return module, tmp_path / "tiny.pth"


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "spandrel", None)
    torch.save(SWINIR, tmp_path / "s.pth")
    with pytest.raises(SrgridError, match=r"s\.pth: a SwinIR checkpoint of another program; install srgrid\[zoo\]$"):
        load(tmp_path / "s.pth", 4)
    torch.save({"some.weight": torch.zeros(2)}, tmp_path / "o.pth")
    with pytest.raises(SrgridError, match=r"its first is some\.weight.*install srgrid\[zoo\] if spandrel knows it"):
        load(tmp_path / "o.pth", 4)


def test_a_torchvision_of_another_torch_is_told(tmp_path, monkeypatch):
    """It fails as spandrel imports it, with an error that names neither of the two."""
    fake = tmp_path / "packages/spandrel"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    for name in [name for name in sys.modules if name.split(".")[0] == "spandrel"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(fake.parent)
    torch.save(SWINIR, tmp_path / "s.pth")
    message = r"spandrel cannot be imported \(RuntimeError: operator torchvision::nms does not exist\); install the"
    with pytest.raises(SrgridError, match=message):
        load(tmp_path / "s.pth", 4)
    assert "spandrel" not in sys.modules


def test_a_checkpoint_is_recognised_and_computes_as_its_own_class_does(swinir):
    module, file = swinir
    network = load(file, 2)
    assert (network.architecture, network.scale, network.precisions, network.tiler) == ("SwinIR", 2, ("fp32",), None)
    x = torch.rand(1, 3, 16, 24)
    with torch.inference_mode():
        torch.testing.assert_close(network.module(x), module(x).clamp(0, 1))
    image = data.astronaut()[100:121, 200:217]
    assert network.upscale(image).shape == (42, 34, 3)
    assert network.upscale(image[..., 0], ensemble=True).shape == (42, 34)
    told = describe(file)
    assert (told["config"]["scale"], told["config"]["channels"], told["licence"]) == (2, 3, None)
    assert told["about"].startswith("A SwinIR, built by spandrel ")
    assert told["provenance"]["read_by"].startswith("spandrel ")
    with pytest.raises(SrgridError, match=r"tiny\.pth: built for scale 2, not 4"):
        load(file, 4)
    with pytest.raises(SrgridError, match="spandrel knows the range of a SwinIR; leave rgb_range out"):
        load(file, 2, rgb_range=255)


def test_a_grey_network_is_given_each_colour_alone(spandrel, tmp_path):
    from spandrel.architectures.Compact import Compact

    torch.manual_seed(1)
    module = Compact(num_in_ch=1, num_out_ch=1, num_feat=8, num_conv=2, upscale=2).eval()
    torch.save(module.state_dict(), tmp_path / "grey.pth")
    network = load(tmp_path / "grey.pth", 2)
    x = torch.rand(2, 3, 8, 9)
    with torch.inference_mode():
        expected = torch.cat([module(x[:, c : c + 1]) for c in range(3)], dim=1).clamp(0, 1)
        torch.testing.assert_close(network.module(x), expected)
    images.write(tmp_path / "LR/a.png", data.coffee()[:16, :18])
    upscale_dir(tmp_path / "LR", tmp_path / "SR", str(tmp_path / "grey.pth"), 2, options=Options(precision="fp32"))
    made_by = read_manifest(tmp_path / "SR")["made_by"]
    assert (made_by["architecture"], made_by["weights"], made_by["config"]["channels"]) == (
        "RealESRGAN Compact",
        "grey.pth",
        1,
    )
    assert images.read(tmp_path / "SR/a.png").shape == (32, 36, 3)


def test_what_spandrel_cannot_use_is_said(spandrel, swinir, tmp_path):
    torch.save({"some.weight": torch.zeros(2)}, tmp_path / "o.pth")
    with pytest.raises(SrgridError, match="spandrel does not know it either: give a Python entry"):
        load(tmp_path / "o.pth", 4)
    state = swinir[0].state_dict()
    broken = {name: tensor for name, tensor in state.items() if name != "conv_after_body.weight"}
    torch.save(broken, tmp_path / "b.pth")
    with pytest.raises(SrgridError, match=r"b\.pth: spandrel took it for a network that it knows and failed"):
        load(tmp_path / "b.pth", 2)
    torch.save(state | {"conv_first.bias": state["conv_first.bias"] * np.nan}, tmp_path / "n.pth")
    with pytest.raises(SrgridError, match=r"n\.pth: conv_first\.bias holds values that are not finite"):
        load(tmp_path / "n.pth", 2)
