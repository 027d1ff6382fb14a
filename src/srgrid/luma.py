"""Luma: Y of YCbCr, as each program that is in use computes it from R, G and B."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from srgrid.images import Array

Luma = Literal["bt601", "super-image", "bt601-full-range", "bt601-no-offset"]

BLACK, WHITE = 16, 235  # Y of black and of white, but on the full range and without the offset

# Y = offset + R, G, B weights on 0..255 values. bt601: MATLAB's rgb2ycbcr. super-image: its own table, whose first
# weight differs from BT.601's 65.738/256. bt601-no-offset: torchSR's, where an offset is of no use to PSNR, but SSIM
# divides by means.
LUMA: dict[Luma, tuple[float, tuple[float, float, float]]] = {
    "bt601": (16.0, (65.481 / 255, 128.553 / 255, 24.966 / 255)),
    "super-image": (16.0, (64.738 / 256, 129.057 / 256, 25.064 / 256)),
    "bt601-full-range": (0.0, (0.299, 0.587, 0.114)),
    "bt601-no-offset": (0.0, (65.481 / 255, 128.553 / 255, 24.966 / 255)),
}


def luma(image: npt.NDArray[Any], kind: Luma = "bt601") -> npt.NDArray[np.float64]:
    """Y of an H x W x 3 image in 0..255, H x W float64, not rounded."""
    offset, weights = LUMA[kind]
    y: npt.NDArray[np.float64] = image.astype(np.float64, copy=False) @ np.array(weights)
    y += offset
    return y


def luma8(image: Array) -> Array:
    """Y of a uint8 image, H x W x 3, rounded to 8 bits as MATLAB's rgb2ycbcr does; an H x W image as it is."""
    if image.ndim == 2:
        return image
    return np.floor(luma(image) + 0.5).astype(np.uint8)
