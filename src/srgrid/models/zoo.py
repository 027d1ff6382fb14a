"""Checkpoints of the networks that spandrel knows (extra `zoo`): it tells by the tensors what they are.

The file is read as any other is, weights only; spandrel is given the tensors alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from srgrid.code import version
from srgrid.errors import SrgridError
from srgrid.models.container import Content
from srgrid.models.foreign import UnknownNetworkError
from srgrid.models.guest import Guest, reason
from srgrid.models.network import Network
from srgrid.models.tensors import first_not_finite

_PAPERS = {"DCTLSA": ("zeng2023dctlsa",)}  # by spandrel's name; keys of references.bib


@dataclass(frozen=True)
class ZooConfig:
    """What spandrel tells of a network."""

    scale: int
    tags: str  # of its size
    channels: int
    multiple_of: int
    minimum: int
    spandrel: str  # its version


def load_zoo(content: Content, unknown: UnknownNetworkError, rgb_range: float | None = None) -> Network:
    """The network of a checkpoint that none of our own kinds recognises, in fp32 on the CPU.

    unknown: what is raised if spandrel does not know it either, with what could be done about it.
    """
    where, spandrel = content.path, _spandrel()
    if spandrel is None:
        if unknown.zoo_name:
            raise SrgridError(f"{where}: a {unknown.zoo_name} checkpoint of another program; install srgrid[zoo]")
        raise SrgridError(f"{unknown}; give a Python entry, or install srgrid[zoo] if spandrel knows it")
    if bad := first_not_finite((name, t) for name, t in content.tensors.items() if t.is_floating_point()):
        raise SrgridError(f"{where}: {bad[:80]} holds values that are not finite (NaN or infinite); fetch it again")
    try:
        found = spandrel.MAIN_REGISTRY.load(dict(content.tensors))
    except spandrel.UnsupportedModelError:
        raise SrgridError(f"{unknown}; spandrel does not know it either: give a Python entry") from None
    except Exception as error:  # an architecture's own code, on tensors that are not quite its own
        raise SrgridError(
            f"{where}: spandrel took it for a network that it knows and failed ({reason(error)}); fetch it again"
        ) from None
    if rgb_range is not None:
        raise SrgridError(f"{where}: spandrel knows the range of a {found.architecture.name}; leave rgb_range out")
    return _network(found, content)


def _network(found: Any, content: Content) -> Network:
    """What spandrel found, as ours."""
    kind, where = str(found.architecture.name), str(content.path)
    channels = (found.input_channels, found.output_channels)
    if found.purpose == "Inpainting" or channels not in ((3, 3), (1, 1)):
        takes = "an image and a mask" if found.purpose == "Inpainting" else f"{channels[0]} to {channels[1]} channels"
        raise SrgridError(f"{where}: a {kind} with {takes}; take a network from colour to colour, or grey to grey")
    size = found.size_requirements
    config = ZooConfig(
        int(found.scale), ", ".join(found.tags), channels[0], size.multiple_of, size.minimum, version("spandrel")
    )
    provenance = {"source": content.path.name, "trained_by": "another project"}
    provenance["read_by"] = f"spandrel {config.spandrel}"
    return Network(
        Guest(_Called(found), where, config.scale, channels=config.channels),
        architecture=kind,
        name="",
        scale=config.scale,
        config=config,
        file=content.path.name,
        sha256=content.sha256,
        provenance=provenance,
        precisions=("fp32",),
        multiple_of=config.multiple_of,
        about=f"A {kind}, built by spandrel {config.spandrel} after the checkpoint's tensors.",
        citations=_PAPERS.get(kind, ()),
    )


class _Called(nn.Module):
    """A descriptor of spandrel's as a module: its call pads to all that the network wants, and cuts back."""

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.descriptor = descriptor
        self.model = descriptor.model.float()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.descriptor(x)
        return out


def _spandrel() -> Any:
    """The package; None if it, or one that it wants, is missing."""
    try:
        import spandrel
    except ImportError:
        return None
    except Exception as error:
        raise SrgridError(
            f"srgrid[zoo]: spandrel cannot be imported ({reason(error)}); install the torchvision that belongs to this"
            " torch, from the same index"
        ) from None
    return spandrel
