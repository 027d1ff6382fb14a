"""The two attention modules of residual channel attention networks.

Both rescale a feature map from statistics pooled over the whole image. `pooled` may be passed in, so that an image
worked on in pieces is rescaled exactly as the whole image would be.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ChannelAttention(nn.Module):
    """RCAN's channel attention (Zhang et al. 2018): pool -> 1x1 conv -> ReLU -> 1x1 conv -> sigmoid, with biases."""

    halo = 0

    def __init__(self, features: int, reduction: int) -> None:
        super().__init__()
        self.conv_du = nn.Sequential(
            nn.Conv2d(features, features // reduction, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(features // reduction, features, 1),
        )

    def forward(self, x: Tensor, pooled: Tensor | None = None) -> Tensor:
        """Rescale the channels of `x` (N x C x H x W); `pooled` is its mean over the image, N x C x 1 x 1."""
        return x * torch.sigmoid(self.conv_du(_mean(x) if pooled is None else pooled))


class BalancedAttention(nn.Module):
    """BAM (Wang et al. 2021): a channel branch and a spatial branch side by side, multiplied onto the features."""

    halo = 3

    def __init__(self, features: int, reduction: int) -> None:
        super().__init__()
        self.ca = _PooledBranch(features, reduction)
        self.sa = _SpatialBranch()

    def forward(self, x: Tensor, pooled: Tensor | None = None) -> Tensor:
        """Rescale `x` (N x C x H x W); `pooled` is its mean over the image, N x C x 1 x 1."""
        channels: Tensor = self.ca(_mean(x) if pooled is None else pooled)
        places: Tensor = self.sa(x)
        scaled = x * channels
        return scaled * places if torch.is_grad_enabled() else scaled.mul_(places)


class _PooledBranch(nn.Module):
    """ACAM: 1x1 conv -> PReLU with a slope per channel -> 1x1 conv -> sigmoid on the pooled features, no biases."""

    def __init__(self, features: int, reduction: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(features, features // reduction, 1, bias=False)
        self.relu1 = nn.PReLU(features // reduction)
        self.fc2 = nn.Conv2d(features // reduction, features, 1, bias=False)

    def forward(self, pooled: Tensor) -> Tensor:
        hidden = _pointwise(self.fc1, pooled)
        hidden = F.prelu(hidden, self.relu1.weight.to(hidden.dtype))
        return torch.sigmoid(_pointwise(self.fc2, hidden))


class _SpatialBranch(nn.Module):
    """MSAM: the maximum over channels -> 7x7 conv without bias -> sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 1, 7, padding=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.conv1(x.amax(dim=1, keepdim=True)))


def _pointwise(conv: nn.Conv2d, pooled: Tensor) -> Tensor:
    """A 1x1 convolution, without bias, of N x C x 1 x 1: on a GPU as products and sums, which a compiler melts into
    their neighbours, where a convolution is a launch of its own."""
    if not pooled.is_cuda:
        out: Tensor = conv(pooled)
        return out
    return (conv.weight[..., 0].float() * pooled[:, None, :, 0].float()).sum(2, keepdim=True).to(pooled.dtype)


def _mean(x: Tensor) -> Tensor:
    return x.mean(dim=(2, 3), keepdim=True)
