"""Interpolators: what enlarges an image without a network, each as a program that is in use computes it.

They are methods under the names of `INTERPOLATORS`. The baseline `bicubic` is one of them: which, a degradation says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from srgrid.images import Array
from srgrid.luma import BLACK, WHITE
from srgrid.resize import imresize, imresize_real

_A = -0.75  # of OpenCV's and PyTorch's cubic kernel; MATLAB and Pillow have -0.5


@dataclass(frozen=True)
class Interpolator:
    """enlarge: an image, uint8, H x W or H x W x 3, and the scale, to uint8. about: what it is, for the card."""

    enlarge: Callable[[Array, int], Array]
    about: str


def pillow(image: Array, height: int, width: int, kind: Image.Resampling) -> Array:
    """Pillow's `resize` of a uint8 image."""
    return np.asarray(Image.fromarray(image).resize((width, height), kind), dtype=np.uint8)


def opencv_bicubic(image: Array, scale: int) -> Array:
    """An image enlarged as OpenCV's `resize` with INTER_CUBIC does, to a level: its sums are in fixed point.

    Cubic convolution with a = -0.75 and half-pixel centres, the border's pixels repeated outwards, no antialiasing;
    rounded once, half up.
    """
    values = image.astype(np.float64)
    for axis in (0, 1):
        values = _convolved(values, scale, axis)
    return _stored(values)


def luma_bicubic(luma: npt.NDArray[Any], scale: int) -> Array:
    """Luma that was never rounded, H x W, enlarged by MATLAB's bicubic imresize, clipped to the luma of black and white
    and rounded once, half up, as test scripts prepare the input of VDSR (Kim et al. 2016).

    The border is mirrored, as later versions of MATLAB do: of the printed values, Set14 x4 tells the two apart."""
    return _stored(np.clip(imresize_real(luma, float(scale), mirrored=True), BLACK, WHITE))


def _convolved(values: npt.NDArray[np.float64], scale: int, axis: int) -> npt.NDArray[np.float64]:
    side = values.shape[axis]
    place = (np.arange(side * scale) + 0.5) / scale - 0.5  # of each new pixel's centre, in old pixels
    first = np.floor(place)
    shape = [-1 if n == axis else 1 for n in range(values.ndim)]
    total = np.zeros([side * scale if n == axis else size for n, size in enumerate(values.shape)])
    for tap in range(-1, 3):
        weights = _cubic(np.abs(place - first - tap)).reshape(shape)
        total += weights * values.take(np.clip(first.astype(int) + tap, 0, side - 1), axis)
    return total


def _cubic(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The cubic convolution kernel (Keys 1981) of distances up to 2."""
    near = ((_A + 2) * x - (_A + 3)) * x * x + 1
    far = ((_A * x - 5 * _A) * x + 8 * _A) * x - 4 * _A
    return np.where(x <= 1, near, far)


def torch_bicubic(image: Array, scale: int) -> Array:
    """An image enlarged by PyTorch's `interpolate(mode="bicubic", align_corners=False)`, in float32 on the CPU."""
    # By name: the code behind LR images does not depend on PyTorch, which only runs when this is asked for.
    torch: Any = import_module("torch")
    planes = torch.from_numpy(np.array(image, dtype=np.float32).reshape(*image.shape[:2], -1)).permute(2, 0, 1)[None]
    made = torch.nn.functional.interpolate(planes, scale_factor=scale, mode="bicubic", align_corners=False)
    height, width = image.shape[:2]
    return _stored(made[0].permute(1, 2, 0).numpy().reshape(height * scale, width * scale, *image.shape[2:]))


def _stored(values: npt.NDArray[Any]) -> Array:
    made: Array = np.floor(np.clip(values, 0, 255) + 0.5).astype(np.uint8)
    return made


def _by_pillow(kind: Image.Resampling) -> Callable[[Array, int], Array]:
    return lambda image, scale: pillow(image, image.shape[0] * scale, image.shape[1] * scale, kind)


_BICUBIC = {
    "matlab": Interpolator(lambda image, scale: imresize(image, float(scale)), "MATLAB's bicubic imresize"),
    "pillow": Interpolator(_by_pillow(Image.Resampling.BICUBIC), "Pillow's BICUBIC (cubic convolution, a = -0.5)"),
    "opencv": Interpolator(opencv_bicubic, "bicubic as OpenCV's INTER_CUBIC (cubic convolution, a = -0.75)"),
    "torch": Interpolator(torch_bicubic, "PyTorch's bicubic interpolate (cubic convolution, a = -0.75)"),
}

INTERPOLATORS: dict[str, Interpolator] = {
    "nearest": Interpolator(_by_pillow(Image.Resampling.NEAREST), "Pillow's NEAREST (every pixel repeated)"),
    "bilinear": Interpolator(_by_pillow(Image.Resampling.BILINEAR), "Pillow's BILINEAR"),
    "lanczos": Interpolator(_by_pillow(Image.Resampling.LANCZOS), "Pillow's LANCZOS (a = 3)"),
    **{f"bicubic-{name}": one for name, one in _BICUBIC.items()},
}

# What a degradation can name for the baseline `bicubic`.
LUMA_ENLARGER = "matlab-luma"
ENLARGERS: dict[str, Callable[[npt.NDArray[Any], int], Array]] = {name: one.enlarge for name, one in _BICUBIC.items()}
ENLARGERS[LUMA_ENLARGER] = luma_bicubic
