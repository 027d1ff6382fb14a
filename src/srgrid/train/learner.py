"""What is learned: the model, its running average, the optimiser, and one step of them."""

from __future__ import annotations

import copy
import ctypes
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srgrid.errors import SrgridError
from srgrid.models.loading import build, load
from srgrid.models.network import Network
from srgrid.models.run import autocast
from srgrid.networks import ARCHITECTURES
from srgrid.train.muon import Muon, suits
from srgrid.train.recipes import TrainConfig
from srgrid.train.team import Team

_COMPILE_PAYS_STEPS = 2000  # on a CPU: compiling costs about 40 s and saves about 0.1 s of 0.35 s a step
_COMPILE_PAYS_MINUTES = 8
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # names in glibc's malloc.h


def fresh(name: str, scale: int, seed: int, init: Path | None) -> Network:
    """A network with weights drawn from the seed, or its trunk (at the same scale, all of it) taken from `init`.

    Raises SrgridError if the weights in `init` belong to a network of another kind or size.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build(name, scale)
    if init is None:
        return network
    start = load(init, None)
    if (start.architecture, replace(start.config, scale=scale)) != (network.architecture, network.config):
        raise SrgridError(f"{init}: holds a {start.name or 'model'} of another size; it cannot start {name}")
    left = ARCHITECTURES[network.architecture].scaled if start.scale != scale else ()
    taken = {key: value for key, value in start.module.state_dict().items() if not key.startswith(left)}
    network.module.load_state_dict(taken, strict=False)
    return network


class Learner:
    """Model, average and optimiser on the team's device."""

    def __init__(self, network: Network, config: TrainConfig, team: Team) -> None:
        self.config, self.device = config, team.device
        if team.device.type == "cpu":
            _keep_freed_memory()
        layout = torch.channels_last if config.channels_last else torch.contiguous_format
        self.network = network.to(team.device)
        self.model = network.module.to(memory_format=layout).train()  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.model).requires_grad_(False).eval()
        self._trained = [p for p in self.model.parameters() if p.requires_grad]
        pairs = zip(self.model.parameters(), self.average.parameters(), strict=True)
        self._averaged = [average for p, average in pairs if p.requires_grad]
        self.optimisers = _optimisers(self._trained, config, team.device)
        self._forward = _compiled(team.wrap(self.model), config, team.device)
        if team.device.type == "cuda":
            torch.set_float32_matmul_precision("high")
            torch.backends.cudnn.benchmark = True

    @property
    def averaged(self) -> Network:
        """The network with the averaged weights, which are validated and exported."""
        return replace(self.network, module=self.average)

    def step(self, number: int, lr: Tensor, hr: Tensor, rate: float) -> Tensor:
        """One optimiser step on a batch at learning rate `rate`; returns the L1 loss."""
        for optimiser in self.optimisers:
            optimiser.param_groups[0]["lr"] = rate
        with autocast(self.network, self.device, self.config.precision):
            sr = self._forward(lr)
        loss = F.l1_loss(sr, hr)
        self.model.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.config.clip:
            nn.utils.clip_grad_norm_(self._trained, self.config.clip)
        for optimiser in self.optimisers:
            optimiser.step()
        # A short memory at first, so that the random start is forgotten however short the training is.
        decay = min(self.config.ema, (1 + number) / (10 + number))
        torch._foreach_lerp_(self._averaged, self._trained, 1 - decay)
        return loss.detach()

    def content(self) -> dict[str, Any]:
        """Everything a checkpoint needs of it."""
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
        }

    def restore(self, content: dict[str, Any]) -> None:
        """Go back to a checkpoint's content. Raises SrgridError if it is not one of this training."""
        try:
            self.model.load_state_dict(content["model"])
            self.average.load_state_dict(content["average"])
            for optimiser, state in zip(self.optimisers, content["optimisers"], strict=True):
                optimiser.load_state_dict(state)
                _lay_out(optimiser)
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
            raise SrgridError(f"checkpoint: does not fit this training ({str(error).splitlines()[0]})") from None


def _lay_out(optimiser: torch.optim.Optimizer) -> None:
    """Give loaded momenta their parameters' order in memory: fused steps walk through both alike, and
    `channels_last` may have changed since the checkpoint."""
    for parameter, state in optimiser.state.items():
        for key, value in state.items():
            if isinstance(value, Tensor) and value.ndim:
                if value.shape != parameter.shape:
                    raise ValueError(f"{key} of shape {tuple(value.shape)}, not {tuple(parameter.shape)}")
                state[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _optimisers(
    parameters: list[nn.Parameter], config: TrainConfig, device: torch.device
) -> list[torch.optim.Optimizer]:
    fused = device.type in ("cpu", "cuda")
    if config.optimiser == "adamw":
        return [torch.optim.AdamW(parameters, config.lr, weight_decay=config.weight_decay, fused=fused)]
    if config.optimiser == "adam":
        return [torch.optim.Adam(parameters, config.lr, fused=fused)]
    matrices = [p for p in parameters if suits(p)]
    rest = [p for p in parameters if not suits(p)]
    return [Muon(matrices, config.lr), torch.optim.Adam(rest, config.lr, fused=fused)]


def _compiled(model: nn.Module, config: TrainConfig, device: torch.device) -> Any:
    if config.compile == "off" or (config.compile == "auto" and not _compiling_pays(config, device)):
        return model
    return torch.compile(model)


def _compiling_pays(config: TrainConfig, device: torch.device) -> bool:
    if device.type == "cuda":
        return True
    long = config.epochs is not None or (config.steps or 0) >= _COMPILE_PAYS_STEPS
    long = long or (config.minutes or 0) >= _COMPILE_PAYS_MINUTES
    return long and any(shutil.which(c) for c in (os.environ.get("CXX", "c++"), "g++", "clang++"))


def _keep_freed_memory() -> None:
    """Tell glibc to reuse freed memory: it would hand large maps back at every step, and the kernel zero them anew.

    It holds for the process. A C library without `mallopt` is left alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, -1)
