"""RFDN (Liu et al. 2020, arXiv:2009.11551), as a Python entry of srgrid:

    srgrid upscale LR SR --scale 4 --model examples/rfdn.py:rfdn@weights/RFDN_AIM.pth

Written from the paper and the names of the tensors in its authors' weights. They are of the smaller network that won
the AIM 2020 challenge on efficient super-resolution (the paper's E-RFDN), not of the RFDN in the paper's tables.
"""

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from srgrid.models.container import read
from srgrid.models.tensors import fit

LEAK = 0.05  # slope of the LeakyReLU for negative values
BLOCKS = 4


def conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class ESA(nn.Module):
    """Enhanced spatial attention: weighs each position by what a strongly reduced map around it holds."""

    def __init__(self, features: int) -> None:
        super().__init__()
        narrow = features // 4
        self.conv1 = nn.Conv2d(features, narrow, 1)
        self.conv_f = nn.Conv2d(narrow, narrow, 1)
        self.conv2 = nn.Conv2d(narrow, narrow, 3, stride=2)
        self.conv_max, self.conv3, self.conv3_ = (conv(narrow, narrow) for _ in range(3))
        self.conv4 = nn.Conv2d(narrow, features, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        narrow = self.conv1(x)
        around = F.max_pool2d(self.conv2(narrow), kernel_size=7, stride=3)
        around = self.conv3_(F.relu(self.conv3(F.relu(self.conv_max(around)))))
        around = F.interpolate(around, x.shape[2:], mode="bilinear", align_corners=False)
        return x * torch.sigmoid(self.conv4(around + self.conv_f(narrow)))


class RFDB(nn.Module):
    """Residual feature distillation block: at each of three steps a 1x1 convolution keeps some features aside, and a
    shallow residual block (a convolution and its input) goes on; what was kept and what is left are fused."""

    def __init__(self, features: int) -> None:
        super().__init__()
        kept = features // 2
        self.c1_d, self.c2_d, self.c3_d = (nn.Conv2d(features, kept, 1) for _ in range(3))
        self.c1_r, self.c2_r, self.c3_r = (conv(features, features) for _ in range(3))
        self.c4 = conv(features, kept)
        self.c5 = nn.Conv2d(4 * kept, features, 1)
        self.esa = ESA(features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = []
        for distil, refine in ((self.c1_d, self.c1_r), (self.c2_d, self.c2_r), (self.c3_d, self.c3_r)):
            kept.append(F.leaky_relu(distil(x), LEAK))
            x = F.leaky_relu(refine(x) + x, LEAK)
        kept.append(F.leaky_relu(self.c4(x), LEAK))
        return self.esa(self.c5(torch.cat(kept, 1)))


class RFDN(nn.Module):
    """Blocks one after the other, the answers of all fused, a skip, then a pixel shuffle."""

    def __init__(self, scale: int, features: int = 50) -> None:
        super().__init__()
        self.fea_conv = conv(3, features)
        for number in range(1, BLOCKS + 1):
            self.add_module(f"B{number}", RFDB(features))
        self.c = nn.Sequential(nn.Conv2d(BLOCKS * features, features, 1), nn.LeakyReLU(LEAK))
        self.LR_conv = conv(features, features)
        self.upsampler = nn.Sequential(conv(features, 3 * scale**2), nn.PixelShuffle(scale))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = out = self.fea_conv(x)
        answers = []
        for number in range(1, BLOCKS + 1):
            out = self.get_submodule(f"B{number}")(out)
            answers.append(out)
        return self.upsampler(self.LR_conv(self.c(torch.cat(answers, 1))) + first)


def rfdn(scale: int, weights: str | None = None) -> nn.Module:
    """The network at a scale; untrained without weights."""
    network = RFDN(scale)
    if weights is not None:
        fit(network, read(Path(weights)).tensors, weights)  # whatever is more than tensors is refused
    return network


rfdn.rgb_range = 255  # in 0..1 the scores of the weights are 6.1 dB lower
rfdn.licence = "MIT"
rfdn.citations = ("liu2020rfdn",)
rfdn.about = (
    "RFDN (Liu et al. 2020) is a network for small devices: each block sets features aside at three steps and fuses"
    " them at its end, with enhanced spatial attention. This is E-RFDN, which won the AIM 2020 challenge."
)
