"""MATLAB's bicubic `imresize`, bit for bit, and modcrop.

MATLAB resizes a uint8 image one axis at a time (height first) and rounds to uint8 after each pass. When the scale
is a ratio of small integers, as 2, 1/3 or 3/2 are, every weight is a fraction with one common denominator D, so a
pass is a sum of integers, exact in floating point in any order, followed by one division and a rounding half up.
The result then depends neither on the BLAS library nor on the processor. Other scales use float64 weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from srgrid.errors import SrgridError
from srgrid.images import Array, check

Real = npt.NDArray[np.floating[Any]]

MAX_TERM = 64  # scales p/q with p, q up to this are treated as exact ratios
EXACT_IN_FLOAT32 = 2**14  # D up to here: sums stay below 2**24 and quotients are separated by more than one ulp
EXACT_IN_FLOAT64 = 2**40
BLOCK = 16  # output rows of one matrix product: few multiplications by zero, operands stay in cache


def modcrop(image: Array, scale: int) -> Array:
    """Crop H x W[ x C] to the largest multiple of `scale` on both axes, keeping the top-left corner.

    Raises SrgridError if `scale` is not a positive integer or the image is smaller than it.
    """
    if scale != int(scale) or scale < 1:
        raise SrgridError(f"modcrop: scale must be a positive integer, got {scale}")
    step = int(scale)
    height, width = (n - n % step for n in image.shape[:2])
    if 0 in (height, width):
        raise SrgridError(f"modcrop: an image of {image.shape[1]} x {image.shape[0]} is smaller than scale {step}")
    return image[:height, :width]


def imresize(image: Array, scale: float) -> Array:
    """Resize a uint8 image, H x W or H x W x C, as MATLAB's `imresize(image, scale, 'bicubic')` does.

    Output: uint8, ceil(H * scale) x ceil(W * scale)[ x C]. Shrinking widens the kernel (antialiasing).
    Raises SrgridError for any other dtype or shape, or a scale that is not positive and finite.

    >>> imresize(np.array([[0, 255], [255, 0]], np.uint8), 0.5)
    array([[128]], dtype=uint8)
    """
    check(image, "imresize")
    if not (math.isfinite(scale) and scale > 0):
        raise SrgridError(f"imresize: scale must be a positive number, got {scale}")
    flat = np.ascontiguousarray(image).reshape(image.shape[0], -1)
    channels = 1 if image.ndim == 2 else image.shape[2]
    rows = _resize_rows(flat, _axis_weights(image.shape[0], float(scale)))
    columns = _resize_columns(rows, _axis_weights(image.shape[1], float(scale)), channels)
    return columns.reshape(rows.shape[0], -1, *image.shape[2:])


def imresize_real(image: npt.NDArray[Any], scale: float, *, mirrored: bool = False) -> npt.NDArray[np.float64]:
    """Resize real values, H x W, as MATLAB's `imresize` of a floating-point image does: nothing is rounded or clipped.

    mirrored: the image is continued as in a mirror, as later versions of MATLAB do, instead of by its border's pixels.
    Sums are taken in one order on every machine, without BLAS. Raises SrgridError for another shape, or a scale that is
    not positive and finite.
    """
    if image.ndim != 2 or 0 in image.shape:
        raise SrgridError(f"imresize: expected H x W with at least one pixel, got shape {image.shape}")
    if not (math.isfinite(scale) and scale > 0):
        raise SrgridError(f"imresize: scale must be a positive number, got {scale}")
    values = image.astype(np.float64)
    for _ in range(2):  # height, then width
        axis = _axis_weights(values.shape[0], float(scale), mirrored)
        weights = axis.weights.astype(np.float64) / axis.denominator
        total = np.zeros((axis.outputs, values.shape[1]))
        for taps, weight in zip(axis.taps.T, weights.T, strict=True):
            total += weight[:, None] * values[taps]
        values = total.T
    return np.ascontiguousarray(values)


@dataclass(frozen=True)
class _Axis:
    """One axis: output i is round(sum_k weights[i, k] * input[taps[i, k]] / denominator)."""

    taps: npt.NDArray[np.int64]  # outputs x K, inside the image
    weights: Real  # outputs x K, integers if the scale is a ratio
    denominator: int

    @property
    def outputs(self) -> int:
        return len(self.taps)

    def block(self, start: int) -> tuple[slice, Real]:
        """The inputs that outputs start .. start + BLOCK need, and the dense weights (outputs x inputs) on them."""
        taps, weights = self.taps[start : start + BLOCK], self.weights[start : start + BLOCK]
        first, last = int(taps.min()), int(taps.max())
        dense = np.zeros((len(taps), last - first + 1), weights.dtype)
        np.add.at(dense, (np.arange(len(taps))[:, None], taps - first), weights)
        return slice(first, last + 1), dense


def _resize_rows(flat: Array, axis: _Axis) -> Array:
    out = np.empty((axis.outputs, flat.shape[1]), np.uint8)
    for start in range(0, axis.outputs, BLOCK):
        inputs, dense = axis.block(start)
        sums = dense @ flat[inputs].astype(dense.dtype)
        _round_into(out[start : start + BLOCK], sums, axis.denominator)
    return out


def _resize_columns(rows: Array, axis: _Axis, channels: int) -> Array:
    """The same along the width of interleaved channels: the weights are spread over the channels, not the image."""
    out = np.empty((rows.shape[0], axis.outputs * channels), np.uint8)
    for start in range(0, axis.outputs, BLOCK):
        inputs, dense = axis.block(start)
        spread = np.kron(dense.T, np.eye(channels, dtype=dense.dtype))
        sums = rows[:, inputs.start * channels : inputs.stop * channels].astype(dense.dtype) @ spread
        _round_into(out[:, start * channels : (start + BLOCK) * channels], sums, axis.denominator)
    return out


def _round_into(out: Array, sums: Real, denominator: int) -> None:
    """out = floor((2 S + D) / (2 D)) clipped to 0..255: exact, because numerator and quotient are."""
    sums += denominator / 2
    sums /= denominator
    np.clip(sums, 0, 255.5, out=sums)
    out[...] = sums  # a cast to uint8 truncates, which is floor for values >= 0


def _cubic(x: Fraction) -> Fraction:
    """Cubic convolution kernel, a = -1/2 (Keys 1981)."""
    x = abs(x)
    if x <= 1:
        return (3 * x - 5) * x * x / 2 + 1
    if x <= 2:
        return ((5 - x) * x - 8) * x / 2 + 2
    return Fraction(0)


def _cubic_float(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


@lru_cache(maxsize=64)
def _axis_weights(size: int, scale: float, mirrored: bool = False) -> _Axis:
    outputs = math.ceil(size * scale)
    ratio = Fraction(scale).limit_denominator(MAX_TERM)
    if float(ratio) == scale and ratio.numerator <= MAX_TERM:
        exact = _ratio_weights(ratio)
        if exact is not None:
            return _exact_axis(size, outputs, ratio, *exact, mirrored)
    shrink = min(scale, 1.0)
    centres = np.arange(1, outputs + 1) / scale + 0.5 * (1 - 1 / scale)
    taps = np.floor(centres - 2 / shrink)[:, None] + np.arange(math.ceil(4 / shrink) + 2)
    weights = shrink * _cubic_float(shrink * (centres[:, None] - taps))
    weights /= weights.sum(axis=1, keepdims=True)
    return _Axis(_inside(taps.astype(np.int64) - 1, size, mirrored), weights, 1)


def _exact_axis(
    size: int,
    outputs: int,
    ratio: Fraction,
    first: list[int],
    weights: npt.NDArray[np.int64],
    denominator: int,
    mirrored: bool,
) -> _Axis:
    """Repeat the weights of one period of p outputs (which advance q inputs) for scale p/q along the axis."""
    cycle, phase = np.divmod(np.arange(outputs), ratio.numerator)
    left = np.array(first)[phase] + cycle * ratio.denominator
    taps = left[:, None] + np.arange(weights.shape[1])
    kind = np.float32 if denominator <= EXACT_IN_FLOAT32 else np.float64
    return _Axis(_inside(taps - 1, size, mirrored), weights[phase].astype(kind), denominator)


def _inside(taps: npt.NDArray[np.int64], size: int, mirrored: bool) -> npt.NDArray[np.int64]:
    """Where the pixels outside an axis are taken from: its first and last one, or its mirror image."""
    if not mirrored:
        return np.clip(taps, 0, size - 1)
    place = taps % (2 * size)
    return np.minimum(place, 2 * size - 1 - place)


def _ratio_weights(ratio: Fraction) -> tuple[list[int], npt.NDArray[np.int64], int] | None:
    """First tap (1-based) and integer weights of each of the p output phases of scale p/q, over a denominator.

    None if the common denominator is too large for exact sums.
    """
    shrink = min(ratio, Fraction(1))
    first, rows = [], []
    for i in range(1, ratio.numerator + 1):
        centre = i / ratio + (1 - 1 / ratio) / 2
        left = math.floor(centre - 2 / shrink)
        kernel = [_cubic(shrink * (centre - left - k)) for k in range(math.ceil(4 / shrink) + 2)]
        total = sum(kernel)
        first.append(left)
        rows.append([value / total for value in kernel])
    denominator = math.lcm(*(value.denominator for row in rows for value in row))
    if denominator > EXACT_IN_FLOAT64:
        return None
    return first, np.array([[int(value * denominator) for value in row] for row in rows]), denominator
