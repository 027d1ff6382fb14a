"""The named sizes. A name and a scale give a model; nothing registers itself."""

from __future__ import annotations

from dataclasses import replace

from srgrid.errors import SrgridError
from srgrid.models.rcan import Rcan, RcanConfig

_SMALL = RcanConfig(groups=4, blocks=4, features=32, reduction=8)

MODELS: dict[str, RcanConfig] = {
    "rcan-bam": RcanConfig(),
    "rcan": RcanConfig(attention="ca"),
    "rcan-bam-s": _SMALL,
    "rcan-s": replace(_SMALL, attention="ca"),
    "rcan-bam-xs": RcanConfig(groups=1, blocks=3, features=24, reduction=4),
}


def names() -> list[str]:
    """The names `build` knows."""
    return list(MODELS)


def build(name: str, scale: int) -> Rcan:
    """A model of that size with fresh weights (drawn from torch's global generator).

    Raises SrgridError for an unknown name or a scale other than 2, 3, 4.
    """
    if name not in MODELS:
        raise SrgridError(f"model {name!r}: unknown; known models are {', '.join(MODELS)}")
    model = Rcan(replace(MODELS[name], scale=scale))
    model.name = name
    return model
