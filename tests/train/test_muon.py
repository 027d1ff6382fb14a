"""Muon: its steps are near orthogonal, of the size Adam's rates expect, and it is given matrices alone."""

import math

import pytest
import torch
from torch import nn

from srgrid.models import build
from srgrid.train import recipe
from srgrid.train.learner import Learner
from srgrid.train.muon import Muon, orthogonal, suits
from srgrid.train.team import Team


@pytest.mark.parametrize("shape", [(16, 64), (64, 16), (32, 32)])
def test_singular_values_come_out_near_one(shape):
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0)) * 1e-3
    values = torch.linalg.svdvals(orthogonal(matrices))
    assert values.shape == (3, min(shape))
    usual = values.flatten().sort().values[values.numel() // 10 :]  # a square random matrix has a few tiny ones
    assert usual.min() > 0.6
    assert values.max() < 1.25


def test_the_directions_are_the_gradients_own():
    u, _, v = torch.linalg.svd(torch.randn(8, 20, generator=torch.Generator().manual_seed(1)), full_matrices=False)
    spread = u @ torch.diag(torch.linspace(0.5, 1, 8)) @ v
    inner = u.mT @ orthogonal(spread[None])[0] @ v.mT
    assert torch.allclose(inner, torch.diag(inner.diagonal()), atol=1e-5)
    assert inner.diagonal().min() > 0.6


def test_zeros_stay_zero():
    assert not orthogonal(torch.zeros(2, 16, 32)).any()


def test_a_step_has_the_size_of_adams():
    weights = nn.Parameter(torch.zeros(32, 16, 3, 3))
    weights.grad = torch.randn(32, 16, 3, 3, generator=torch.Generator().manual_seed(2)) * 1e-4
    Muon([weights], lr=1e-2).step()
    rms = float(weights.detach().square().mean().sqrt())
    assert 0.2 * 1e-2 < rms < 0.4 * 1e-2 * 1.2
    assert float((weights.detach() * weights.grad).sum()) < 0  # downhill


def test_narrow_weights_and_vectors_are_adams():
    network = build("rcan-bam-s", 4)
    model = network.module
    left = {name.rsplit(".", 2)[-2] for name, p in model.named_parameters() if not suits(p) and p.ndim == 4}
    assert left == {"sub_mean", "add_mean", "1", "fc1", "fc2", "conv1"}
    assert not suits(torch.zeros(64))
    learner = Learner(network, recipe("default", steps=1, compile="off"), Team(0, 1, torch.device("cpu")))
    groups = [o.param_groups[0]["params"] for o in learner.optimisers]
    trained = {id(p) for p in model.parameters() if p.requires_grad}
    assert {id(p) for group in groups for p in group} == trained
    assert len(groups[0]) + len(groups[1]) == len(trained)


def test_it_descends_faster_than_adam_where_directions_differ_in_scale():
    """A badly conditioned least-squares problem, the case it is made for; the same rate for both."""

    def end(kind):
        generator = torch.Generator().manual_seed(3)
        inputs = torch.randn(256, 64, generator=generator) * torch.logspace(0, -2, 64)
        inputs = inputs @ torch.linalg.qr(torch.randn(64, 64, generator=generator))[0]
        target = inputs @ torch.randn(64, 16, generator=generator)
        weights = nn.Parameter(torch.zeros(16, 64, 1, 1))
        optimiser = Muon([weights], 0.02) if kind == "muon" else torch.optim.Adam([weights], 0.02)
        for step in range(300):
            optimiser.param_groups[0]["lr"] = 0.01 * (1 + math.cos(math.pi * step / 300))
            loss = (inputs @ weights.flatten(1).mT - target).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        return float(loss.detach())

    assert end("muon") < end("adam")


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_steps_lie_in_memory_as_the_parameters_do(monkeypatch, layout):
    """Parameters and steps of one layout are added by one launch; the momentum is made once."""
    added, made = [], []
    add, zeros = torch._foreach_add_, torch.zeros_like
    monkeypatch.setattr(torch, "_foreach_add_", lambda a, b, **k: added.append([*a, *b]) or add(a, b, **k))
    monkeypatch.setattr(torch, "zeros_like", lambda *a, **k: made.append(1) or zeros(*a, **k))
    generator = torch.Generator().manual_seed(4)
    start, gradients = (torch.randn(2, 32, 16, 3, 3, generator=generator) for _ in range(2))
    weights = [nn.Parameter(part.clone().to(memory_format=layout)) for part in start]
    muon = Muon(weights, lr=1e-2)
    for _ in range(3):
        for part, gradient in zip(weights, gradients, strict=True):
            part.grad = gradient.clone().to(memory_format=layout)
        muon.step()
    assert len(made) == 2
    assert len(added) == 3
    assert {part.stride() for step in added for part in step} == {weights[0].stride()}
    assert all(muon.state[part]["momentum"].stride() == part.stride() for part in weights)


def test_the_layout_does_not_change_the_step():
    generator = torch.Generator().manual_seed(5)
    start, gradient = (torch.randn(32, 16, 3, 3, generator=generator) for _ in range(2))
    ends = []
    for layout in (torch.contiguous_format, torch.channels_last):
        weights = nn.Parameter(start.clone().to(memory_format=layout))
        weights.grad = gradient.to(memory_format=layout)
        Muon([weights], lr=1e-2).step()
        ends.append(weights.detach())
    assert torch.equal(*ends)
