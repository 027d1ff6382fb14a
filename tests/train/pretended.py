"""Networks on a GPU that is not there: their tensors have a shape and a device, and no content."""

import contextlib
from unittest import mock

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from srgrid.models import Network
from srgrid.models.record import WeightsRecord
from srgrid.networks import ARCHITECTURES, config_of

CARD = torch.device("cuda:0")
# Operators whose answer the CPU waits for.
WAITS = {"_local_scalar_dense", "item", "nonzero", "equal", "is_nonzero", "masked_select", "unique"}


@contextlib.contextmanager
def pretending():
    """Within it, new tensors have no content, and the card is there."""
    with mock.patch.object(nn.Module, "to", _to), FakeTensorMode(allow_non_fake_inputs=True):
        yield


def _to(module, device=None, memory_format=None):
    """`Module.to` with new parameters: those without content cannot change in place."""
    for part in module.modules():
        for name, value in part._parameters.items():
            layout = memory_format if value is not None and value.ndim == 4 else None
            if value is not None:
                moved = value.detach().to(device or value.device, memory_format=layout or torch.preserve_format)
                part._parameters[name] = nn.Parameter(moved, value.requires_grad)
    return module


def network(name: str, scale: int) -> Network:
    """A fresh network on the card; to be called while pretending."""
    architecture, config = config_of(name, scale)
    with CARD:
        module = ARCHITECTURES[architecture].build(config)
    kind = ARCHITECTURES[architecture]
    record = WeightsRecord(architecture, config, name)
    return Network(module, architecture, name, scale, config, provenance=record.provenance, tiler=kind.tiler())


class Heard(TorchDispatchMode):
    """Counts operators by name."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        self.counts[name] = self.counts.get(name, 0) + 1
        return func(*args, **(kwargs or {}))

    @property
    def waits(self) -> dict[str, int]:
        return {name: n for name, n in self.counts.items() if name in WAITS}
