"""Larger patches at the end, shorter budgets from other weights, SiLU, and LAMB."""

import signal

import pytest
import torch
from torch import nn

from srgrid.errors import SrgridError
from srgrid.models import build, load
from srgrid.models.architecture import written
from srgrid.train import Interrupted, recipe, train
from srgrid.train.lamb import Lamb
from srgrid.train.learner import Learner
from srgrid.train.schedule import patch_at

MODEL = "rcan-bam-xs"


def _tiny(**changes):
    return recipe("demo", **({"steps": 10, "batch": 2, "patch": 12, "threads": 1} | changes))


def test_the_last_part_is_trained_on_larger_patches(packs, tmp_path, monkeypatch):
    seen, real = [], Learner.step

    def step(self, number, lr, hr, rate):
        seen.append((lr.shape[-1], hr.shape[-1]))
        return real(self, number, lr, hr, rate)

    monkeypatch.setattr(Learner, "step", step)
    config = _tiny(last_patch=20, last_share=0.3)
    train(MODEL, 2, packs[2], tmp_path / "w.safetensors", tmp_path / "state", config)
    assert seen == [(12, 24)] * 7 + [(20, 40)] * 3
    assert patch_at(_tiny(), 0.99) == 12
    assert "last_patch" in config.identity()
    assert "last_patch" not in _tiny().identity()  # as earlier versions recorded it
    with pytest.raises(SrgridError, match="fewer than the patch of 70"):
        train(MODEL, 2, packs[2], tmp_path / "w.safetensors", tmp_path / "state", _tiny(last_patch=70))


def test_a_warm_start_takes_its_share_of_the_budget(packs, tmp_path):
    first = train(MODEL, 2, packs[2], tmp_path / "w.safetensors", tmp_path / "a", _tiny(warm_share=0.5))
    init = tmp_path / "w.safetensors"
    second = train(MODEL, 3, packs[3], tmp_path / "v.safetensors", tmp_path / "b", _tiny(warm_share=0.5), init=init)
    assert (first["steps"], second["steps"]) == (10, 5)
    assert recipe("demo", minutes=3, warm_share=0.5).warm().minutes == 1.5


def test_silu_is_another_network_and_is_recorded(packs, tmp_path):
    config = _tiny(activation="silu")
    train(MODEL, 2, packs[2], tmp_path / "w.safetensors", tmp_path / "state", config)
    made = load(tmp_path / "w.safetensors", scale=2)
    assert made.config.activation == "silu"
    assert any(isinstance(part, nn.SiLU) for part in made.module.modules())
    assert "activation" not in written(build(MODEL, 2).config)  # headers of ReLU networks stay as they were
    with pytest.raises(SrgridError, match="of another size or activation"):
        train(MODEL, 2, packs[2], tmp_path / "v.safetensors", tmp_path / "v", _tiny(), init=tmp_path / "w.safetensors")


def test_lambs_step_is_adams_scaled_to_the_weights():
    generator = torch.Generator().manual_seed(0)
    weights = [nn.Parameter(torch.randn(8, 4, 3, 3, generator=generator)), nn.Parameter(torch.zeros(8))]
    before = [p.detach().clone() for p in weights]
    optimiser = Lamb(weights, lr=0.1)
    for p in weights:
        p.grad = torch.randn(p.shape, generator=generator)
    optimiser.step()
    step = before[0] - weights[0].detach()
    assert float(step.norm()) == pytest.approx(0.1 * float(before[0].norm()), rel=1e-5)
    assert torch.equal(step.sign(), weights[0].grad.sign())  # the first step of Adam is a sign
    torch.testing.assert_close(weights[1].detach(), -0.1 * weights[1].grad.sign(), rtol=1e-4, atol=1e-5)


def test_lamb_goes_on_from_a_checkpoint_as_if_uninterrupted(packs, tmp_path, monkeypatch):
    config, real = _tiny(optimiser="lamb", lr=1e-2, checkpoint_every=3), Learner.step
    train(MODEL, 2, packs[2], tmp_path / "w.safetensors", tmp_path / "straight", config)

    def step(self, number, *rest):
        if number == 6:
            signal.raise_signal(signal.SIGTERM)
        return real(self, number, *rest)

    arguments = (MODEL, 2, packs[2], tmp_path / "v.safetensors", tmp_path / "state", config)
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", step)
        with pytest.raises(Interrupted):
            train(*arguments)
    train(*arguments)
    assert (tmp_path / "v.safetensors").read_bytes() == (tmp_path / "w.safetensors").read_bytes()
