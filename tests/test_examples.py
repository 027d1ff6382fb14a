"""The networks under examples/: their shapes with tiny random weights, and their authors' weights where they are."""

import os
from pathlib import Path

import pytest
import torch
from skimage import data

from srgrid.degrade import make_lr
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


@pytest.mark.mirror
@pytest.mark.skipif(not os.environ.get("SRGRID_WEIGHTS"), reason="no weights of others: set SRGRID_WEIGHTS")
@pytest.mark.parametrize(("scale", "psnr", "ssim"), [(4, 32.24, 0.8953), (2, 38.07, 0.9607)])
def test_rlfn_gives_its_papers_scores(mirror, tmp_path, scale, psnr, ssim):
    entry = f"{EXAMPLES}/rlfn.py:rlfn@{WEIGHTS}/RLFN/rlfn_x{scale}.pth"
    assert _score(mirror, tmp_path, entry, scale) == (pytest.approx(psnr, abs=0.005), pytest.approx(ssim, abs=5e-5))


@pytest.mark.mirror
@pytest.mark.skipif(not os.environ.get("SRGRID_WEIGHTS"), reason="no weights of others: set SRGRID_WEIGHTS")
def test_dctlsa_gives_its_papers_scores_through_spandrel(mirror, tmp_path):
    pytest.importorskip("spandrel", reason="no spandrel: pip install srgrid[zoo]")
    found = _score(mirror, tmp_path, str(WEIGHTS / "DCTLSA/X4.pt"), 4)
    assert found == (pytest.approx(32.530, abs=0.003), pytest.approx(0.8991, abs=5e-5))


def _score(mirror, folder, model, scale):
    make_lr(mirror / "Set5/HR", folder / "LR", scale)
    upscale_dir(folder / "LR", folder / "SR", model, scale, options=Options(precision="fp32"))
    found = mean(score_dirs(folder / "SR", mirror / "Set5/HR", scale, get_protocol("rgb8")))
    return found["psnr"], found["ssim"]
