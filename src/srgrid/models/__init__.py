"""Models: the networks, their named sizes, and their weights files.

>>> import srgrid.models
>>> big = srgrid.models.load("rcan-bam-s", scale=4).upscale(image)  # a PIL image or a uint8 array
"""

from __future__ import annotations

from srgrid.models.architectures import ARCHITECTURES, Architecture, build
from srgrid.models.load import describe, load
from srgrid.models.network import Network
from srgrid.networks import MODELS, RcanConfig, names

__all__ = ["ARCHITECTURES", "MODELS", "Architecture", "Network", "RcanConfig", "build", "describe", "load", "names"]
