"""The networks under examples/: their shapes with tiny random weights, and their authors' weights where they are."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data

from srgrid.degrade import make_lr
from srgrid.errors import SrgridError
from srgrid.models import load
from srgrid.protocols import get_protocol
from srgrid.scoring import mean, score_dirs
from srgrid.settings import Options
from srgrid.upscale import upscale_dir

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
WEIGHTS = Path(os.environ.get("SRGRID_WEIGHTS", ""))  # the authors' own, never part of this project


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_rlfn_is_told_by_its_weights(tmp_path, scale):
    entry = f"{EXAMPLES}/rlfn.py:rlfn"
    network = load(entry, scale)
    assert sum(p.numel() for p in network.module.parameters()) == {2: 526856, 3: 533891, 4: 543740}[scale]
    torch.manual_seed(1)
    code = {}
    exec((EXAMPLES / "rlfn.py").read_text(), code)
    tiny = code["RLFN"](scale, features=8, inner=10, blocks=2)
    torch.save(tiny.state_dict(), tmp_path / "w.pth")
    network = load(f"{entry}@{tmp_path / 'w.pth'}", scale)
    image = data.coffee()[:20, :24]
    with torch.inference_mode():
        expected = tiny(torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float()) / 255
        x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255
        torch.testing.assert_close(network.module(x), expected, rtol=1e-4, atol=1e-4)
    assert network.upscale(image).shape == (20 * scale, 24 * scale, 3)
    assert (network.licence, network.architecture) == ("Apache-2.0", "rlfn.py:rlfn")
    assert network.citations == ("kong2022rlfn",)


CARN_M, RFDN = f"{EXAMPLES}/carn_m.py:carn_m", f"{EXAMPLES}/rfdn.py:rfdn"


@pytest.mark.parametrize(
    ("entry", "scale", "parameters", "citation"),
    [
        (CARN_M, 2, 414811, "ahn2018carn"),  # one network for all scales
        (CARN_M, 3, 414811, "ahn2018carn"),
        (CARN_M, 4, 414811, "ahn2018carn"),
        (RFDN, 2, 417212, "liu2020rfdn"),
        (RFDN, 3, 423977, "liu2020rfdn"),
        (RFDN, 4, 433448, "liu2020rfdn"),  # 0.433 M in the challenge's report
    ],
)
def test_networks_of_the_papers_size_enlarge_by_their_scale(tmp_path, entry, scale, parameters, citation):
    image = data.coffee()[:23, :31]
    torch.manual_seed(scale)
    network = load(entry, scale)
    assert sum(p.numel() for p in network.module.parameters()) == parameters
    assert network.upscale(image).shape == (23 * scale, 31 * scale, 3)
    assert (network.licence, network.citations) == ("MIT", (citation,))
    torch.save(network.module.inner.state_dict(), tmp_path / "w.pth")
    assert np.array_equal(load(f"{entry}@{tmp_path}/w.pth", scale).upscale(image), network.upscale(image))


def test_carn_m_counts_as_in_its_paper():
    """412 K are the weights of all three upsamplers and of each shared block once, without biases."""
    named = load(CARN_M, 4).module.named_parameters()
    assert sum(p.numel() for name, p in named if not name.endswith("bias") and "shifter" not in name) == 412032


@pytest.mark.parametrize("name", ["rlfn", "carn_m", "rfdn"])
def test_weights_of_another_network_are_refused_in_one_line(tmp_path, name):
    torch.save({"conv.weight": torch.zeros(8, 3, 3, 3)}, tmp_path / "other.pth")
    with pytest.raises(SrgridError) as caught:
        load(f"{EXAMPLES}/{name}.py:{name}@{tmp_path}/other.pth", 4)
    assert re.search(r"other\.pth: (no weights of RLFN|the weights do not fit the model): .*missing", str(caught.value))
    assert "\n" not in str(caught.value)


def test_weights_of_another_scale_are_refused(tmp_path):
    torch.save(load(RFDN, 4).module.inner.state_dict(), tmp_path / "x4.pth")
    with pytest.raises(SrgridError, match=r"x4\.pth: the weights do not fit the model: upsampler"):
        load(f"{RFDN}@{tmp_path}/x4.pth", 2)
    with pytest.raises(SrgridError, match="CARN-M: has no upsampler for scale 8; take 2, 3 or 4"):
        load(CARN_M, 8)


@pytest.mark.mirror
@pytest.mark.skipif(not os.environ.get("SRGRID_WEIGHTS"), reason="no weights of others: set SRGRID_WEIGHTS")
@pytest.mark.parametrize(("scale", "psnr", "ssim"), [(4, 32.24, 0.8953), (2, 38.07, 0.9607)])
def test_rlfn_gives_its_papers_scores(mirror, tmp_path, scale, psnr, ssim):
    entry = f"{EXAMPLES}/rlfn.py:rlfn@{WEIGHTS}/RLFN/rlfn_x{scale}.pth"
    assert _score(mirror, tmp_path, entry, scale) == (pytest.approx(psnr, abs=0.005), pytest.approx(ssim, abs=5e-5))


@pytest.mark.mirror
@pytest.mark.skipif(not os.environ.get("SRGRID_WEIGHTS"), reason="no weights of others: set SRGRID_WEIGHTS")
@pytest.mark.parametrize(
    ("entry", "scale", "psnr", "ssim"),
    [
        (f"{CARN_M}@{WEIGHTS}/CARN-M/carn_m.pth", 2, 37.682, 0.95949),  # the paper: 37.53, 0.9583
        (f"{CARN_M}@{WEIGHTS}/CARN-M/carn_m.pth", 3, 34.061, 0.92478),  # 33.99, 0.9236
        (f"{CARN_M}@{WEIGHTS}/CARN-M/carn_m.pth", 4, 31.885, 0.89099),  # 31.92, 0.8903
        (f"{RFDN}@{WEIGHTS}/RFDN/RFDN_AIM.pth", 4, 32.161, 0.89459),  # 32.24, 0.8952, of a larger network
    ],
)
def test_released_weights_that_are_not_the_papers(mirror, tmp_path, entry, scale, psnr, ssim):
    """What these files do score, as docs/networks.md has it."""
    assert _score(mirror, tmp_path, entry, scale) == (pytest.approx(psnr, abs=0.002), pytest.approx(ssim, abs=2e-5))


@pytest.mark.mirror
@pytest.mark.skipif(not os.environ.get("SRGRID_WEIGHTS"), reason="no weights of others: set SRGRID_WEIGHTS")
def test_dctlsa_gives_its_papers_scores_through_spandrel(mirror, tmp_path):
    pytest.importorskip("spandrel", reason="no spandrel: pip install srgrid[zoo]")
    assert load(WEIGHTS / "DCTLSA/X4.pt", 4).citations == ("zeng2023dctlsa",)
    found = _score(mirror, tmp_path, str(WEIGHTS / "DCTLSA/X4.pt"), 4)
    assert found == (pytest.approx(32.530, abs=0.003), pytest.approx(0.8991, abs=5e-5))


def _score(mirror, folder, model, scale):
    make_lr(mirror / "Set5/HR", folder / "LR", scale)
    upscale_dir(folder / "LR", folder / "SR", model, scale, options=Options(precision="fp32"))
    found = mean(score_dirs(folder / "SR", mirror / "Set5/HR", scale, get_protocol("rgb8")))
    return found["psnr"], found["ssim"]
