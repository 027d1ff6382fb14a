"""A name and a scale give a model; nothing registers itself."""

from __future__ import annotations

from dataclasses import replace

from srgrid.errors import SrgridError
from srgrid.models.rcan import Rcan
from srgrid.networks import MODELS


def build(name: str, scale: int) -> Rcan:
    """A model of that size with fresh weights (drawn from torch's global generator).

    Raises SrgridError for an unknown name or a scale other than 2, 3, 4.
    """
    if name not in MODELS:
        raise SrgridError(f"model {name!r}: unknown; known models are {', '.join(MODELS)}")
    model = Rcan(replace(MODELS[name], scale=scale))
    model.name = name
    return model
