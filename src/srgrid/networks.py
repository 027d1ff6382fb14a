"""The kinds of networks that this program runs and trains. Nothing here imports torch until a network is built.

A kind is a row of `ARCHITECTURES`, under the name that weights files have in their header. To add one: write its module
and its config, and a row here (CONTRIBUTING.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from srgrid.errors import SrgridError
from srgrid.models.architecture import Architecture, Computed, Inferred, Tiler
from srgrid.models.rcan_config import SCALES, SIZES, RcanConfig, about, citations, least

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["ARCHITECTURES", "SCALES", "Architecture", "RcanConfig", "config_of", "names", "sizes", "told"]


def _rcan(config: RcanConfig) -> nn.Module:
    from srgrid.models.rcan import Rcan

    return Rcan(config)


def _rcan_precisions(module: Any) -> tuple[Computed, ...]:
    from srgrid.models.rcan import precisions

    return precisions(module)


def _rcan_tiler() -> Tiler:
    from srgrid.models.tiles import TILER

    return TILER


def _rcan_infer(tensors: Mapping[str, Tensor], path: str, rgb_range: float | None) -> Inferred | None:
    from srgrid.models.rcan_infer import infer

    return infer(tensors, path, rgb_range)


ARCHITECTURES: dict[str, Architecture] = {
    "rcan": Architecture(
        config=RcanConfig,
        build=_rcan,
        title="an RCAN or RCAN-BAM",
        about=about,
        citations=citations,
        sizes=SIZES,
        precisions=_rcan_precisions,
        tiler=_rcan_tiler,
        least=least,
        scaled=("tail.",),
        exact=("sub_mean.", "add_mean."),
        mark="head.0.weight",
        infer=_rcan_infer,
    ),
}


def sizes() -> dict[str, Any]:
    """The configs of all networks that can be trained, by name; their scale is to be replaced."""
    return {name: config for kind in ARCHITECTURES.values() for name, config in kind.sizes.items()}


def names() -> list[str]:
    """The names of the networks that can be trained."""
    return list(sizes())


def config_of(name: str, scale: int) -> tuple[str, Any]:
    """The architecture of a named network, and its config at a scale.

    Raises SrgridError for an unknown name, or a scale that there is no such network for.
    """
    for architecture, kind in ARCHITECTURES.items():
        if name in kind.sizes:
            return architecture, replace(kind.sizes[name], scale=scale)
    raise SrgridError(f"model {name!r}: unknown; known models are {', '.join(names())}")


def told(architecture: object, config: object) -> dict[str, Any]:
    """What a record and the card say of a network, by the plain values that a manifest keeps; {} if it is unknown."""
    kind = ARCHITECTURES.get(str(architecture))
    if kind is None or not isinstance(config, Mapping):
        return {}
    try:
        made = kind.config(**config)
    except (SrgridError, TypeError):  # of another version
        return {}
    about, citations = kind.about(made), list(kind.citations(made))
    return {"architecture": architecture, "config": dict(config), "about": about, "citations": citations}
