"""CARN-M (Ahn et al. 2018, arXiv:1803.08664), as a Python entry of srgrid:

    srgrid upscale LR SR --scale 4 --model examples/carn_m.py:carn_m@weights/carn_m.pth

Written from the paper and the names of the tensors in its authors' weights. One network, and one file of weights, has
an upsampler for each of the scales 2, 3 and 4; the factory's `scale` chooses the one that runs.
"""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from srgrid.errors import SrgridError
from srgrid.models.container import read
from srgrid.models.tensors import fit

MEAN = torch.tensor([0.4488, 0.4371, 0.4040])  # of DIV2K's red, green and blue, in 0..1
GROUPS = 4
FACTORS = {2: (2,), 3: (3,), 4: (2, 2)}  # of the pixel shuffles, by scale


def conv(inputs: int, outputs: int, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, groups=groups)


def body(*layers: nn.Module) -> nn.Sequential:
    """The layers one after the other, under the name that the weights give them."""
    return nn.Sequential(OrderedDict(body=nn.Sequential(*layers)))


def shift(colour: torch.Tensor) -> nn.Sequential:
    """Adds a colour; the weights hold that as a convolution."""
    layer = nn.Conv2d(3, 3, 1)
    layer.weight.data, layer.bias.data = torch.eye(3)[:, :, None, None], colour.clone()
    return nn.Sequential(OrderedDict(shifter=layer))


def merges(features: int) -> list[nn.Sequential]:
    """1x1 convolutions from 2, 3 and 4 cascaded maps to one."""
    return [body(nn.Conv2d(count * features, features, 1), nn.ReLU()) for count in (2, 3, 4)]


def cascade(x: torch.Tensor, stages: Sequence[nn.Module], merges: Sequence[nn.Module]) -> torch.Tensor:
    """Runs stages in turn; after each, a convolution sees the input and the answers of all stages so far."""
    seen = x
    for stage, merge in zip(stages, merges, strict=True):
        seen = torch.cat([seen, stage(x)], 1)
        x = merge(seen)
    return x


def upsampler(features: int, factors: Sequence[int]) -> nn.Sequential:
    """A group convolution and a pixel shuffle for each factor."""
    return body(
        *(
            layer
            for factor in factors
            for layer in (conv(features, factor**2 * features, GROUPS), nn.ReLU(), nn.PixelShuffle(factor))
        )
    )


class EfficientBlock(nn.Module):
    """Efficient residual block: two group convolutions, and a 1x1 convolution across the groups."""

    def __init__(self, features: int) -> None:
        super().__init__()
        first, second = (conv(features, features, GROUPS) for _ in range(2))
        self.body = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Conv2d(features, features, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + x)


class CascadingBlock(nn.Module):
    """A cascade of three runs of one efficient residual block, which share its weights."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.b1 = EfficientBlock(features)
        self.c1, self.c2, self.c3 = merges(features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return cascade(x, (self.b1, self.b1, self.b1), (self.c1, self.c2, self.c3))


class CARNM(nn.Module):
    """A cascade of three cascading blocks between two convolutions, enlarged before the last."""

    def __init__(self, scale: int, features: int = 64) -> None:
        super().__init__()
        self.scale = scale
        self.sub_mean, self.add_mean = shift(-MEAN), shift(MEAN)
        self.entry = conv(3, features)
        self.b1, self.b2, self.b3 = (CascadingBlock(features) for _ in range(3))
        self.c1, self.c2, self.c3 = merges(features)
        self.upsample = nn.ModuleDict({f"up{each}": upsampler(features, FACTORS[each]) for each in FACTORS})
        self.exit = conv(features, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.entry(self.sub_mean(x))
        out = cascade(out, (self.b1, self.b2, self.b3), (self.c1, self.c2, self.c3))
        return self.add_mean(self.exit(self.upsample[f"up{self.scale}"](out)))


def carn_m(scale: int, weights: str | None = None) -> nn.Module:
    """The network at a scale; untrained without weights."""
    if scale not in FACTORS:
        raise SrgridError(f"CARN-M: has no upsampler for scale {scale}; take 2, 3 or 4")
    network = CARNM(scale)
    if weights is not None:
        fit(network, read(Path(weights)).tensors, weights)  # whatever is more than tensors is refused
    return network


carn_m.rgb_range = 1  # the mean that the weights hold lies in 0..1; in 0..255 their scores are 8.8 dB lower
carn_m.licence = "MIT"
carn_m.citations = ("ahn2018carn",)
carn_m.about = (
    "CARN-M (Ahn et al. 2018) is a network for mobile devices: residual blocks of group convolutions, each run three"
    " times with the same weights, and 1x1 convolutions that see the answers of all blocks before them."
)
