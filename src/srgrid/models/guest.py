"""Modules that are not ours, made to behave as ours do: range of values, channels, size, and errors in one voice."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srgrid.errors import SrgridError
from srgrid.models.devices import bounded_memory, out_of_memory


class Guest(nn.Module):
    """A foreign module from N x 3 x H x W to N x 3 x (scale H) x (scale W), in 0..1 whatever its own range is.

    name: what messages call it. channels: 3, or 1 of a network that is given each colour as a grey image. minimum,
    square: what the sides of its input must be besides (they are padded, and the answer is cut back).
    """

    def __init__(
        self,
        inner: nn.Module,
        name: str,
        scale: int,
        rgb_range: float = 1.0,
        channels: int = 3,
        minimum: int = 0,
        square: bool = False,
    ) -> None:
        super().__init__()
        self.inner = inner.eval().requires_grad_(False)
        self.name, self.scale, self.rgb_range, self.channels = name, scale, rgb_range, channels
        self.minimum, self.square = minimum, square

    def forward(self, x: Tensor) -> Tensor:
        """The network's answer. Raises SrgridError if it fails, or gives anything but an image of the right size."""
        number, _, height, width = x.shape
        if self.channels == 1:
            x = x.reshape(number * 3, 1, height, width)
        x = self._enlarged_to_minimum(x)
        if self.rgb_range != 1.0:  # times 1 would cost a copy
            x = x * self.rgb_range
        out = self._checked(self._run(x), x)
        out = out[:, :, : height * self.scale, : width * self.scale]
        if self.channels == 1:
            out = out.reshape(number, 3, height * self.scale, width * self.scale)
        return out if self.rgb_range == 1.0 else out / self.rgb_range

    def _enlarged_to_minimum(self, x: Tensor) -> Tensor:
        height, width = (max(side, self.minimum) for side in x.shape[2:])
        if self.square:
            height = width = max(height, width)
        below, right = height - x.shape[2], width - x.shape[3]
        return F.pad(x, (0, right, 0, below), "replicate") if below or right else x

    def _run(self, x: Tensor) -> Any:
        try:
            with bounded_memory(x.device):
                return self.inner(x)
        except SrgridError:
            raise
        except Exception as error:
            if out_of_memory(error):
                raise MemoryError(str(error)) from error  # of onnxruntime, it is none
            raise SrgridError(
                f"{self.name}: its network failed on an input of {sides(x)}: {reason(error)}; mend it, or declare what"
                " it needs"
            ) from error

    def _checked(self, out: Any, x: Tensor) -> Tensor:
        wanted = (x.shape[0], self.channels, x.shape[2] * self.scale, x.shape[3] * self.scale)
        if not isinstance(out, Tensor):
            raise SrgridError(f"{self.name}: its network answered with a {type(out).__name__}, not with a tensor")
        if tuple(out.shape) != wanted:
            raise SrgridError(
                f"{self.name}: its network answered {sides(x)} with {sides(out)}, where scale {self.scale} makes"
                f" {' x '.join(map(str, wanted))}; is it made for another scale?"
            )
        return out


class OfImages(nn.Module):
    """A callable uint8 H x W x 3 to uint8 (scale H) x (scale W) x 3 as a module in 0..1, run image by image."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        images = (x * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        return torch.stack([self._one(image) for image in images]).to(x.device).permute(0, 3, 1, 2) / 255

    def _one(self, image: Any) -> Tensor:
        out = self.function(np.ascontiguousarray(image))
        if not isinstance(out, np.ndarray) or out.dtype != np.uint8 or out.ndim != 3:
            got = f"{out.dtype} array of {out.ndim} dimensions" if isinstance(out, np.ndarray) else type(out).__name__
            raise TypeError(f"a uint8 array, H x W x 3, was expected of it, and it gave a {got}")
        return torch.from_numpy(np.array(out)).float()


def reason(error: BaseException) -> str:
    """What an error of somebody else's code says, in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


def sides(x: Tensor) -> str:
    """The shape of a tensor, as messages say it."""
    return " x ".join(map(str, x.shape))
