"""RCAN (Zhang et al. 2018, arXiv:1807.02758) and RCAN-BAM (Wang et al. 2021, arXiv:2104.07566).

One network; the attention of its blocks is a setting. State-dict names are those of the published checkpoints.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srgrid.models.architecture import Computed
from srgrid.models.attention import BalancedAttention, ChannelAttention
from srgrid.models.rcan_config import RcanConfig

DIV2K_MEAN = (0.4488, 0.4371, 0.4040)


class MeanShift(nn.Conv2d):
    """Adds a constant colour as a frozen 1x1 convolution, always in fp32: bf16 and TF32 would round the image."""

    def __init__(self, shift: tuple[float, float, float]) -> None:
        super().__init__(3, 3, kernel_size=1)
        self.reset(shift)
        self.requires_grad_(False)

    def reset(self, shift: tuple[float, float, float]) -> None:
        """Set the identity matrix and the given shift."""
        with torch.no_grad():
            self.weight.copy_(torch.eye(3, device="cpu").view(3, 3, 1, 1))  # on "meta", eye alone imports a compiler
            assert self.bias is not None
            self.bias.copy_(torch.tensor(shift))

    def forward(self, input: Tensor) -> Tensor:
        """Shift N x 3 x H x W, returning fp32."""
        assert self.bias is not None
        if input.is_cuda:  # where a convolution might be TF32's
            mixed = (self.weight.float() * input.float()[:, None]).sum(2) + self.bias.float().view(3, 1, 1)
            return mixed.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device_type=input.device.type, enabled=False):
            return F.conv2d(input.float(), self.weight.float(), self.bias.float())


class Block(nn.Module):
    """conv - ReLU - conv - attention, and a skip."""

    def __init__(self, config: RcanConfig) -> None:
        super().__init__()
        attention = BalancedAttention if config.attention == "bam" else ChannelAttention
        self.body = nn.Sequential(
            _conv(config.features, config.features),
            (nn.ReLU if config.activation == "relu" else nn.SiLU)(inplace=True),
            _conv(config.features, config.features),
            attention(config.features, config.reduction),
        )

    def forward(self, x: Tensor) -> Tensor:
        inner: Tensor = self.body(x)
        return inner.add_(x)


class Group(nn.Module):
    """Residual group: blocks, a closing conv, and a short skip."""

    def __init__(self, config: RcanConfig) -> None:
        super().__init__()
        blocks: list[nn.Module] = [Block(config) for _ in range(config.blocks)]
        self.body = nn.Sequential(*blocks, _conv(config.features, config.features))

    def forward(self, x: Tensor) -> Tensor:
        inner: Tensor = self.body(x)
        return inner.add_(x)


class Upsampler(nn.Sequential):
    """3x3 conv and pixel shuffle, once for x2 and x3, twice for x4.

    The shuffle wants channels ordered (feature, row, column). The conv is made to give them as (row, column, feature):
    the shuffle of channels-last maps then moves whole runs of features, not single samples.
    """

    def __init__(self, scale: int, features: int) -> None:
        steps = (2, 2) if scale == 4 else (scale,)
        super().__init__(*(m for r in steps for m in (_conv(features, features * r * r), nn.PixelShuffle(r))))

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W to N x C x (scale H) x (scale W)."""
        for conv, shuffle in zip(list(self)[::2], list(self)[1::2], strict=True):
            number, features, height, width = x.shape
            r = cast(nn.PixelShuffle, shuffle).upscale_factor
            weight, bias = (
                v.reshape(features, r * r, *v.shape[1:]).transpose(0, 1).reshape(v.shape) for v in conv.parameters()
            )
            places = F.conv2d(x, weight, bias, padding=1).permute(0, 2, 3, 1)
            places = places.reshape(number, height, width, r, r, features).transpose(2, 3)
            rows = places.reshape(number, height * r, width * r, features)
            x = rows.permute(0, 3, 1, 2)
        return x


class Rcan(nn.Module):
    """The network. N x 3 x H x W in 0..1 goes in, N x 3 x (scale H) x (scale W) comes out, fp32, not clamped."""

    def __init__(self, config: RcanConfig) -> None:
        super().__init__()
        self.config = config
        red, green, blue = (m * config.rgb_range for m in DIV2K_MEAN)
        groups: list[nn.Module] = [Group(config) for _ in range(config.groups)]
        self.sub_mean = MeanShift((-red, -green, -blue))
        self.head = nn.Sequential(_conv(3, config.features))
        self.body = nn.Sequential(*groups, _conv(config.features, config.features))
        self.tail = nn.Sequential(Upsampler(config.scale, config.features), _conv(config.features, 3))
        self.add_mean = MeanShift((red, green, blue))

    def forward(self, x: Tensor) -> Tensor:
        features = self.head(self.sub_mean(x * self.config.rgb_range))
        out: Tensor = self.add_mean(self.tail(features + self.body(features)))
        return out / self.config.rgb_range


def precisions(model: Rcan) -> tuple[Computed, ...]:
    """What the network may compute in: bf16 not where a mean far beyond the image's own range is shifted in."""
    assert model.sub_mean.bias is not None
    if model.sub_mean.bias.is_meta:
        return ("fp32",)
    safe = bool(model.sub_mean.bias.abs().max() <= model.config.rgb_range)
    return ("fp32", "bf16") if safe else ("fp32",)


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)
