"""What is learned: the model, its running average, the optimiser, and one step of them."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from srgrid import heap
from srgrid.errors import SrgridError
from srgrid.models.devices import float32, out_of_memory
from srgrid.models.loading import build, load
from srgrid.models.network import Network
from srgrid.models.run import computed_in
from srgrid.networks import ARCHITECTURES
from srgrid.train.checkpoint import tell
from srgrid.train.compiling import cause, compiled
from srgrid.train.lamb import Lamb
from srgrid.train.muon import Muon, suits
from srgrid.train.recipes import TrainConfig
from srgrid.train.team import Team


@contextlib.contextmanager
def arithmetic(config: TrainConfig, device: torch.device) -> Iterator[None]:
    """Within it, a GPU computes fp32 as the recipe wants it, and cuDNN tries which of its ways is the fastest."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = device.type == "cuda"
    try:
        with float32(device, config.tf32):
            yield
    finally:
        torch.backends.cudnn.benchmark = before


def fresh(name: str, scale: int, config: TrainConfig, init: Path | None) -> Network:
    """A network with weights drawn from the seed, or its trunk (at the same scale, all of it) taken from `init`.

    Raises SrgridError if the weights in `init` belong to a network of another kind or size.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = build(name, scale, config.activation)
    if init is None:
        return network
    start = load(init, None)
    if (start.architecture, replace(start.config, scale=scale)) != (network.architecture, network.config):
        raise SrgridError(
            f"{init}: holds a {start.name or 'model'} of another size or activation; it cannot start {name}"
        )
    left = ARCHITECTURES[network.architecture].scaled if start.scale != scale else ()
    taken = {key: value for key, value in start.module.state_dict().items() if not key.startswith(left)}
    network.module.load_state_dict(taken, strict=False)
    return network


class Learner:
    """Model, average and optimiser on the team's device."""

    def __init__(self, network: Network, config: TrainConfig, team: Team) -> None:
        self.config, self.device = config, team.device
        if team.device.type == "cpu":
            heap.keep_freed()
        layout = torch.channels_last if config.channels_last else torch.contiguous_format
        self.network = network.to(team.device)
        self.model = network.module.to(memory_format=layout).train()  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.model).requires_grad_(False).eval()
        self._trained = [p for p in self.model.parameters() if p.requires_grad]
        pairs = zip(self.model.parameters(), self.average.parameters(), strict=True)
        self._averaged = [average for p, average in pairs if p.requires_grad]
        self.optimisers = _optimisers(self._trained, config, team.device)
        self.precision = computed_in(network, team.device, config.precision)
        self._eager = team.wrap(self.model)
        self._forward = compiled(self._eager, config, team)
        self._known: set[tuple[int, ...]] = set()  # shapes of batches that a step was made with

    @property
    def compiles(self) -> bool:
        """Whether steps run compiled."""
        return self._forward is not self._eager

    def is_new(self, lr: Tensor) -> bool:
        """Whether a step with a batch of that shape has to be compiled first."""
        return self.compiles and tuple(lr.shape) not in self._known

    @property
    def averaged(self) -> Network:
        """The network with the averaged weights, which are validated and exported."""
        return replace(self.network, module=self.average)

    def step(self, number: int, lr: Tensor, hr: Tensor, rate: float) -> Tensor:
        """One optimiser step on a batch at learning rate `rate`; returns the L1 loss.

        Nothing in it waits for the device. Raises SrgridError if memory does not suffice.
        """
        for optimiser in self.optimisers:
            optimiser.param_groups[0]["lr"] = rate
        try:
            loss = self._backward(lr, hr)
            if self.config.clip:
                nn.utils.clip_grad_norm_(self._trained, self.config.clip)
            for optimiser in self.optimisers:
                optimiser.step()
        except Exception as error:
            if out_of_memory(error):
                raise self._too_large(lr) from None
            raise
        # A short memory at first, so that the random start is forgotten however short the training is.
        decay = min(self.config.ema, (1 + number) / (10 + number))
        torch._foreach_lerp_(self._averaged, self._trained, 1 - decay)
        return loss

    def _backward(self, lr: Tensor, hr: Tensor) -> Tensor:
        """The loss, and its gradients in the parameters; what does not compile goes on without."""
        if not self.is_new(lr):
            return self._loss(lr, hr)
        try:
            loss = self._loss(lr, hr)
        except Exception as error:
            if out_of_memory(error):
                raise
            tell(f"not compiled: {cause(error)}")
            self._forward = self._eager
            return self._loss(lr, hr)
        self._known.add(tuple(lr.shape))
        return loss

    def _loss(self, lr: Tensor, hr: Tensor) -> Tensor:
        self.model.zero_grad(set_to_none=True)
        if self.compiles:
            # What the last step left in a CUDA graph's memory is done with.
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            sr = self._forward(lr)
        loss = F.l1_loss(sr, hr)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _too_large(self, lr: Tensor) -> SrgridError:
        number, side = len(lr), lr.shape[-1]
        option = "batch" if number > 1 else "patch" if side == self.config.patch else "last_patch"
        return SrgridError(
            f"training option {option}: a step on {number} patches of {side} x {side} LR pixels does not fit into the"
            f" memory of {self.device}; lower {option}"
        )

    def needed(self, share: slice, patch: int) -> int:
        """Bytes that a step on that part of a batch takes, about: what its forward pass keeps for the backward one,
        counted without computing, and what the optimiser keeps."""
        kept: dict[int, int] = {}

        def keep(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            kept[storage._cdata] = storage.nbytes()
            return tensor

        with FakeTensorMode(allow_non_fake_inputs=True), torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
            lr = torch.empty(share.stop - share.start, 3, patch, patch, device=self.device)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
                self.model(lr)
        numbers: int = sum(p.numel() for p in self._trained)
        return sum(kept.values()) + 4 * 4 * numbers

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
    if config.optimiser == "lamb":
        return [Lamb(parameters, config.lr, config.weight_decay)]
    if config.optimiser == "adam":
        return [torch.optim.Adam(parameters, config.lr, fused=fused)]
    matrices = [p for p in parameters if suits(p)]
    rest = [p for p in parameters if not suits(p)]
    return [Muon(matrices, config.lr), torch.optim.Adam(rest, config.lr, fused=fused)]
