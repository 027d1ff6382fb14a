"""Models: the networks, their named sizes, and their weights files.

>>> import srgrid.models
>>> big = srgrid.models.load("rcan-bam-s", scale=4).upscale(image)  # a PIL image or a uint8 array

torch is imported when a network is first asked for; `locate` does without.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from srgrid.models.find import Located, locate
    from srgrid.models.loading import build, describe, load
    from srgrid.models.network import Network
    from srgrid.networks import names

__all__ = ["Located", "Network", "build", "describe", "load", "locate", "names"]

_FROM = {
    **dict.fromkeys(("Located", "locate"), "srgrid.models.find"),
    **dict.fromkeys(("build", "describe", "load"), "srgrid.models.loading"),
    "Network": "srgrid.models.network",
    "names": "srgrid.networks",
}


def __getattr__(name: str) -> Any:
    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_FROM[name]), name)
