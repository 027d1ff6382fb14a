"""The processes of one training: one, or as many as torchrun started."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from srgrid.errors import SrgridError
from srgrid.models.devices import choose


@dataclass(frozen=True)
class Team:
    """This process's place among `size` processes, and its device."""

    rank: int
    size: int
    device: torch.device
    control: dist.ProcessGroup | None = None  # gloo, for small messages that must not wait for the GPU

    @property
    def leads(self) -> bool:
        """Whether this process reads and writes the state and talks."""
        return self.rank == 0

    def share(self, batch: int) -> slice:
        """This process's part of a global batch."""
        if batch % self.size:
            raise SrgridError(f"training option batch: {batch} cannot be shared evenly by {self.size} processes")
        part = batch // self.size
        if self.leads and self.device.type == "cuda" and self.size > 1 and part < _FILLS:
            print(
                f"srgrid train: {part} patches a GPU leave it waiting for its CPU; a batch of {_FILLS * self.size} (and"
                " a rate that suits it) costs hardly more a step",
                file=sys.stderr,
            )
        return slice(self.rank * part, (self.rank + 1) * part)

    def agree(self, *values: float) -> tuple[float, ...]:
        """Process 0's values, everywhere."""
        if self.size == 1:
            return values
        box = torch.tensor(values, dtype=torch.float64)
        dist.broadcast(box, 0, group=self.control)
        return tuple(box.tolist())

    def told(self, content: dict[str, Any] | None) -> dict[str, Any] | None:
        """Process 0's checkpoint, or None, everywhere."""
        box = [content]
        if self.size > 1:
            dist.broadcast_object_list(box, 0, group=self.control)
        return box[0]

    def mean(self, value: Tensor) -> float:
        """The mean over the processes of a number each has."""
        box = value.detach().double().cpu()
        if self.size > 1:
            dist.all_reduce(box, group=self.control)
        return float(box) / self.size

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model with gradients averaged over the team."""
        if self.size == 1:
            return model
        ids = [self.device.index] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(model, device_ids=ids)


@contextlib.contextmanager
def gathered(device: str) -> Iterator[Team]:
    """The team this process belongs to, taken from torchrun's environment; torn down at the end."""
    size, rank, local = (int(os.environ.get(key, default)) for key, default in _TORCHRUN)
    chosen = choose(device, local if size > 1 else None)
    if size == 1:
        yield Team(0, 1, chosen)
        return
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Team(rank, size, chosen, dist.new_group(backend="gloo"))
    finally:
        dist.destroy_process_group()


_FILLS = 32  # patches of 48 that keep a GPU as long as its CPU takes to issue a step of the 200 blocks, by reckoning
_TORCHRUN = (("WORLD_SIZE", "1"), ("RANK", "0"), ("LOCAL_RANK", "0"))
