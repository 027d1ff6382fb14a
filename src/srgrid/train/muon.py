"""Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon): momentum whose steps are orthogonal matrices.

A convolution's weights are one matrix, outputs x (inputs x kernel). Its step has singular values near one, so no
direction of the filter bank is left behind. In equal time a small SR network learns more with it than with Adam
(docs/training.md). Steps are scaled as Liu et al. 2025 (arXiv:2502.16982) propose, so that Adam's rates fit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

_MOMENTUM = 0.95
_STEP_RMS = 0.4  # of a step at rate 1; Adam's lies between 0.2 and 0.4
_QUINTIC = (3.4445, -4.7750, 2.0315)  # Jordan's coefficients: singular values within 0.7..1.2 after 5 rounds
_ROUNDS = 5
_LEAST_SIDE = 16  # narrower matrices (the last convolution, those of the attention) are left to Adam


def suits(weights: Tensor) -> bool:
    """Whether these weights (O x I x K x K) are a matrix worth orthogonalising."""
    return weights.ndim == 4 and min(weights.shape[0], weights[0].numel()) >= _LEAST_SIDE


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised. Takes convolution weights (O x I x K x K) alone."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step with the gradients at hand."""
        assert closure is None
        for group in self.param_groups:
            by_shape = defaultdict(list)
            for parameter in group["params"]:
                by_shape[tuple(parameter.shape)].append(parameter)
            for shape, parameters in by_shape.items():
                self._step_alike(parameters, shape, group["lr"])

    def _step_alike(self, parameters: list[Any], shape: tuple[int, ...], rate: float) -> None:
        momenta = [self._momentum(p) for p in parameters]
        gradients = [p.grad for p in parameters]
        torch._foreach_lerp_(momenta, gradients, 1 - _MOMENTUM)
        ahead = torch._foreach_lerp(gradients, momenta, _MOMENTUM)
        matrices = torch.stack(ahead).flatten(2)
        scale = _STEP_RMS * max(matrices.shape[-2:]) ** 0.5
        steps = orthogonal(matrices).view(-1, *shape)
        if parameters[0].is_contiguous(memory_format=torch.channels_last):  # lie as they do: one launch adds them all
            steps = steps.movedim(2, -1).contiguous().movedim(-1, 2)
        torch._foreach_add_(parameters, steps.unbind(), alpha=-rate * scale)

    def _momentum(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum: Tensor = state["momentum"]
        return momentum


def orthogonal(matrices: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrices (N x R x C), roughly: singular values come out near one, not at it.

    Newton-Schulz iteration. A matrix of zeros stays zero.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x: Tensor = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    first, third, fifth = _QUINTIC
    for _ in range(_ROUNDS):
        gram = x @ x.mT
        x = first * x + (third * gram + fifth * (gram @ gram)) @ x
    return x.mT if tall else x
