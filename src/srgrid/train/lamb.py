"""LAMB (You et al. 2020, arXiv:1904.00962): Adam's steps, each tensor's scaled to the norm of its weights.

It bears large batches: a step changes every layer by the same share of itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

_BETAS = (0.9, 0.999)
_EPSILON = 1e-6  # the paper's


class Lamb(torch.optim.Optimizer):
    """LAMB with bias correction. A tensor of zeros, as a bias at first, is stepped as Adam would."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float = 0.0) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "steps": 0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step with the gradients at hand."""
        assert closure is None
        for group in self.param_groups:
            group["steps"] += 1
            self._step(group["params"], group)

    def _step(self, parameters: list[Any], group: dict[str, Any]) -> None:
        gradients = [p.grad for p in parameters]
        means, squares = ([self._state(p, key) for p in parameters] for key in ("mean", "square"))
        torch._foreach_lerp_(means, gradients, 1 - _BETAS[0])
        torch._foreach_mul_(squares, _BETAS[1])
        torch._foreach_addcmul_(squares, gradients, gradients, value=1 - _BETAS[1])
        first, second = (1 - beta ** group["steps"] for beta in _BETAS)
        roots = torch._foreach_sqrt(torch._foreach_div(squares, second))
        torch._foreach_add_(roots, _EPSILON)
        updates = torch._foreach_div(torch._foreach_div(means, first), roots)
        if group["weight_decay"]:
            torch._foreach_add_(updates, parameters, alpha=group["weight_decay"])
        weights, steps = (torch.stack(torch._foreach_norm(tensors)) for tensors in (parameters, updates))
        ratios = torch.where((weights > 0) & (steps > 0), weights / steps, torch.ones_like(weights))
        torch._foreach_mul_(updates, list(ratios.unbind()))
        torch._foreach_add_(parameters, updates, alpha=-group["lr"])

    def _state(self, parameter: Tensor, key: str) -> Tensor:
        state = self.state[parameter]
        if key not in state:
            state[key] = torch.zeros_like(parameter)
        kept: Tensor = state[key]
        return kept
