"""The kinds of networks, by the name that weights files give them: how one is built, recognised, run in tiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from srgrid.errors import SrgridError
from srgrid.models import foreign, tensors, tiles
from srgrid.models.container import Content
from srgrid.models.foreign import Inferred
from srgrid.models.network import Network, Tiler
from srgrid.models.rcan import Rcan
from srgrid.networks import MODELS, RcanConfig, shown


@dataclass(frozen=True)
class Architecture:
    """One kind of network.

    config: a frozen dataclass of plain values, `scale` among them, whose `about` and `citations` speak for it on a
    card; it raises SrgridError for values that make no network.
    build: the module of a config with fresh weights, N x 3 x H x W in 0..1 in and out (not clamped).
    tensors_at_least: numbers and tensors that the module of a config has at least, without making it: weights that hold
    fewer are refused before memory is asked for.
    of_scale: what the names of those tensors start with that depend on the scale; the rest can start another scale.
    precisions: those in which a module keeps its accuracy, fp32 first.
    multiple_of: sides of the images that it takes are multiples of this; others are padded and cropped.
    infer: the config and tensors of another project's file, if it can tell.
    """

    config: type[Any]
    build: Callable[[Any], nn.Module]
    tensors_at_least: Callable[[Any], tuple[int, int]] = lambda config: (0, 0)
    of_scale: tuple[str, ...] = ()
    precisions: Callable[[nn.Module], tuple[str, ...]] = lambda module: ("fp32", "bf16")
    multiple_of: int = 1
    tiler: Tiler | None = None
    recognises: Callable[[Content], bool] = lambda content: False
    infer: Callable[[Content, float | None], Inferred] | None = None


def _rcan_at_least(config: RcanConfig) -> tuple[int, int]:
    """Each block has two 3x3 convolutions among its tensors."""
    blocks = config.groups * config.blocks
    return 18 * blocks * config.features**2, blocks


def _rcan_precisions(module: nn.Module) -> tuple[str, ...]:
    assert isinstance(module, Rcan)
    return ("fp32", "bf16") if module.bf16_safe else ("fp32",)


ARCHITECTURES: dict[str, Architecture] = {
    "rcan": Architecture(
        config=RcanConfig,
        build=Rcan,
        tensors_at_least=_rcan_at_least,
        of_scale=("tail.",),
        precisions=_rcan_precisions,
        tiler=Tiler(tiles.tiled, tiles.bytes_per_pixel),
        recognises=foreign.known,
        infer=foreign.infer,
    )
}


def build(name: str, scale: int) -> Network:
    """A network of a named size with fresh weights (drawn from torch's global generator).

    Raises SrgridError for an unknown name or a scale that there is no such network for.
    """
    if name not in MODELS:
        raise SrgridError(f"model {name!r}: unknown; known models are {', '.join(MODELS)}")
    config = replace(MODELS[name], scale=scale)
    architecture = next(key for key, kind in ARCHITECTURES.items() if isinstance(config, kind.config))
    return network_of(architecture, config, ARCHITECTURES[architecture].build(config), name=name)


def network_of(architecture: str, config: Any, module: nn.Module, **known: Any) -> Network:
    """The descriptor of a module; known: name, file, sha256, provenance."""
    kind = ARCHITECTURES[architecture]
    return Network(
        module,
        architecture,
        config=config,
        scale=config.scale,
        precisions=kind.precisions(module),
        multiple_of=kind.multiple_of,
        tiler=kind.tiler,
        about=config.about,
        citations=config.citations,
        **known,
    )


def from_tensors(architecture: str, config: Any, values: Mapping[str, Tensor], source: str, **known: Any) -> Network:
    """The network of a config holding `values`, in fp32 on the CPU, ready for inference.

    Raises SrgridError, before anything of that size is made, if the config does not describe these tensors.
    """
    numbers, count = ARCHITECTURES[architecture].tensors_at_least(config)
    if count > len(values) or numbers > sum(tensor.numel() for tensor in values.values()):
        raise SrgridError(
            f"{source}: the weights do not fit the model: {shown(asdict(config))} is a larger network than its"
            f" {len(values)} tensors make up"
        )
    with torch.device("meta"):
        module = ARCHITECTURES[architecture].build(config)
    tensors.fit(module, values, source)
    return network_of(architecture, config, module.eval(), **known)


def config_of(architecture: str, given: Mapping[str, Any], source: str) -> Any:
    """The config that a file's header, or the config.json beside it, holds. Raises SrgridError if it is none."""
    if architecture not in ARCHITECTURES:
        known = ", ".join(map(repr, ARCHITECTURES))
        raise SrgridError(f"{source}: unknown model architecture {architecture[:80]!r}; this srgrid knows {known}")
    kind = ARCHITECTURES[architecture].config
    if set(given) != {field.name for field in fields(kind)}:
        raise SrgridError(f"{source}: its model config has the wrong keys: {', '.join(sorted(given))[:200]}")
    try:
        return kind(**given)
    except SrgridError as error:
        raise SrgridError(f"{source}: its model config: {error}") from None
