"""RLFN (Kong et al. 2022, arXiv:2205.07514), as a Python entry of srgrid:

    srgrid upscale LR SR --scale 4 --model examples/rlfn.py:rlfn@weights/rlfn_x4.pth

Written from the paper and the names of the tensors in its authors' weights. Nothing in srgrid knows of it: `rlfn` below
makes the network, and what srgrid has to know beside that stands at the end as attributes of it.
"""

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from srgrid.errors import SrgridError
from srgrid.models.container import read
from srgrid.models.tensors import fit

LEAK = 0.05  # slope of the LeakyReLU for negative values
ESA_FEATURES = 16


class ESA(nn.Module):
    """Enhanced spatial attention: weighs each position by what a strongly reduced map around it holds."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, ESA_FEATURES, 1)
        self.conv_f = nn.Conv2d(ESA_FEATURES, ESA_FEATURES, 1)
        self.conv2 = nn.Conv2d(ESA_FEATURES, ESA_FEATURES, 3, stride=2)
        self.conv3 = nn.Conv2d(ESA_FEATURES, ESA_FEATURES, 3, padding=1)
        self.conv4 = nn.Conv2d(ESA_FEATURES, features, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        narrow = self.conv1(x)
        around = self.conv3(F.max_pool2d(self.conv2(narrow), kernel_size=7, stride=3))
        around = F.interpolate(around, x.shape[2:], mode="bilinear", align_corners=False)
        return x * torch.sigmoid(self.conv4(around + self.conv_f(narrow)))


class RLFB(nn.Module):
    """Residual local feature block: three convolutions, their input added once, a 1x1 convolution and ESA."""

    def __init__(self, features: int, inner: int) -> None:
        super().__init__()
        self.c1_r = nn.Conv2d(features, inner, 3, padding=1)
        self.c2_r = nn.Conv2d(inner, inner, 3, padding=1)
        self.c3_r = nn.Conv2d(inner, features, 3, padding=1)
        self.c5 = nn.Conv2d(features, features, 1)
        self.esa = ESA(features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = x
        for conv in (self.c1_r, self.c2_r, self.c3_r):
            out = F.leaky_relu(conv(out), LEAK)
        return self.esa(self.c5(out + x))


class RLFN(nn.Module):
    """Blocks between two convolutions with a skip, then a pixel shuffle."""

    def __init__(self, scale: int, features: int = 52, inner: int = 52, blocks: int = 6) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(3, features, 3, padding=1)
        self.blocks = blocks
        for number in range(1, blocks + 1):
            self.add_module(f"block_{number}", RLFB(features, inner))
        self.conv_2 = nn.Conv2d(features, features, 3, padding=1)
        self.upsampler = nn.Sequential(nn.Conv2d(features, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = out = self.conv_1(x)
        for number in range(1, self.blocks + 1):
            out = self.get_submodule(f"block_{number}")(out)
        return self.upsampler(self.conv_2(out) + first)


def rlfn(scale: int, weights: str | None = None) -> nn.Module:
    """The network of a scale; its size is told by the weights. Without weights, RLFN as in the paper, untrained."""
    if weights is None:
        return RLFN(scale)
    tensors = read(Path(weights)).tensors  # whatever is more than tensors is refused
    first = tensors.get("block_1.c1_r.weight")
    if first is None or first.dim() != 4:
        raise SrgridError(f"{weights}: no weights of RLFN: the convolution block_1.c1_r is missing; give another file")
    blocks = len([name for name in tensors if name.endswith(".c5.weight")])
    network = RLFN(scale, features=first.shape[1], inner=first.shape[0], blocks=blocks)
    fit(network, tensors, weights)
    return network


rlfn.rgb_range = 255  # the weights' own scores come out in 0..255, and 4.6 dB lower in 0..1
rlfn.licence = "Apache-2.0"
rlfn.citations = ("kong2022rlfn",)
rlfn.about = (
    "RLFN (Kong et al. 2022) is a network for speed: few blocks of three plain 3x3 convolutions each, without the"
    " branches of its forerunners, and enhanced spatial attention at the end of each block."
)
