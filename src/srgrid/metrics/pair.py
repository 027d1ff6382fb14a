"""A pair: SR and HR of one image as a protocol compares them, equal in size and shaved."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from srgrid.errors import SrgridError
from srgrid.grey import equal_channels, is_grey, tiled
from srgrid.luma import luma
from srgrid.protocols import Protocol
from srgrid.resize import modcrop

Float = npt.NDArray[np.float64]

PEAK = 255.0

# Float SR: what rounds to 0..255 is in range. An SR image is about as bright as its HR; one 16 times darker is on
# another scale (0..1 is 255 times darker), unless HR is all but black itself.
_OVERSHOOT = 0.5
_DARK, _DARKER = 0.5, 16.0


@dataclass(frozen=True)
class Pair:
    """What every metric is a function of. `sr`, `hr`: H x W or H x W x 3 in 0..255, of one size, shaved.

    shaved: the pixels that were cut from every border.
    """

    sr: npt.NDArray[Any]
    hr: npt.NDArray[np.uint8]
    protocol: Protocol
    shaved: int

    @cached_property
    def luma(self) -> tuple[Float, Float]:
        """SR and HR as the protocol's Y, H x W float64 on 0..255; grey images as its `grey` says."""
        if self.protocol.channels == "luma":
            return _floats(self.sr), _luma(self.hr, self.protocol)
        return _luma(self.sr, self.protocol), _luma(self.hr, self.protocol)

    @cached_property
    def rgb(self) -> tuple[Float, Float]:
        """SR and HR as H x W x 3 float64 on 0..255; of a grey image three equal channels.

        Raises SrgridError where SR is the luma of an HR in colour.
        """
        if self.sr.ndim != self.hr.ndim and self.protocol.channels == "luma":
            raise SrgridError(f"SR: is luma under protocol {self.protocol.name}; RGB cannot be compared")
        sr, hr = (_floats(image if image.ndim == 3 else tiled(image)) for image in (self.sr, self.hr))
        return sr, hr

    def require(self, side: int) -> None:
        """Raise SrgridError unless both sides have so many pixels, as a metric's window needs."""
        height, width = self.hr.shape[:2]
        if min(height, width) < side:
            size = f"{width + 2 * self.shaved} x {height + 2 * self.shaved}"
            raise SrgridError(
                f"an image of {size} is too small to score: {side} px are needed after shaving {self.shaved}"
            )


def make_pair(
    sr: npt.NDArray[Any], hr: npt.NDArray[np.uint8], scale: int, protocol: Protocol, *, rgb: bool = False
) -> Pair:
    """The pair that a protocol makes of a super-resolved image and its original.

    sr: H x W or H x W x 3, uint8, or float in 0..255 for protocols that do not quantise. hr: uint8, of the same size
    or, where that is not a multiple of `scale`, of the size before cropping. Whether HR is grey is decided by
    `srgrid.grey.is_grey`, not by its packaging, unless `rgb` says that three equal channels are RGB too (as of a part
    of a colour image). Raises SrgridError for sizes, types, ranges or channels that do not fit each other.
    """
    _check_hr(hr, scale)
    _check_sr(sr, hr, protocol)
    grey = is_grey(hr) if not rgb else hr.ndim == 2
    if protocol.channels == "luma":
        sr, hr = _luma_and_image(sr, hr, grey)
    else:
        sr, hr = _both_grey(sr, hr, protocol) if grey else _both_rgb(sr, hr)
    hr = _same_size(sr, hr, scale, protocol)
    cut = scale if protocol.shave == "scale" else protocol.shave
    rows, columns = (slice(cut, max(cut, length - cut)) for length in hr.shape[:2])
    pair = Pair(sr[rows, columns], hr[rows, columns], protocol, cut)
    pair.require(1)
    return pair


def _check_sr(sr: npt.NDArray[Any], hr: npt.NDArray[np.uint8], rule: Protocol) -> None:
    if sr.ndim not in (2, 3) or (sr.ndim == 3 and sr.shape[2] != 3) or 0 in sr.shape:
        raise SrgridError(f"SR: expected H x W or H x W x 3, got shape {sr.shape}")
    if sr.dtype == np.uint8:
        return
    if rule.quantise or not np.issubdtype(sr.dtype, np.floating):
        raise SrgridError(
            f"SR: protocol {rule.name} scores uint8 images, got {sr.dtype}; round and clip to 0..255 first"
        )
    _check_range(sr, hr)


def _check_range(sr: npt.NDArray[Any], hr: npt.NDArray[np.uint8]) -> None:
    """Refuse float values on another range: outside 0..255, or far darker than HR, as 0..1 and black images are."""
    if not np.isfinite(sr).all():
        raise SrgridError("SR: holds values that are not finite; the model that made it is broken")
    low, high = float(sr.min()), float(sr.max())
    seen = f"SR: values from {low:.6g} to {high:.6g}"
    if low < -_OVERSHOOT or high > PEAK + _OVERSHOOT:
        raise SrgridError(f"{seen}, expected 0..255; bring them to that range, or clip what only overshoots it")
    mean_sr, mean_hr = float(sr.mean(dtype=np.float64)), float(hr.mean())
    if mean_hr >= _DARK and mean_sr < mean_hr / _DARKER:
        raise SrgridError(
            f"{seen}, mean {mean_sr:.3g}, where HR's mean is {mean_hr:.1f}; expected 0..255: bring them to that range"
        )


def _check_hr(hr: npt.NDArray[Any], scale: int) -> None:
    if hr.dtype != np.uint8 or hr.ndim not in (2, 3) or (hr.ndim == 3 and hr.shape[2] != 3):
        raise SrgridError(f"HR: expected uint8 H x W or H x W x 3, got {hr.dtype} of shape {hr.shape}")
    if scale != int(scale) or scale < 1:
        raise SrgridError(f"scale must be a positive integer, got {scale}")


def _both_grey(
    sr: npt.NDArray[Any], hr: npt.NDArray[np.uint8], rule: Protocol
) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8]]:
    """One channel each. An SR in colour is averaged, as `upscale` does; under `grey: tile` its Y is taken instead."""
    hr = hr if hr.ndim == 2 else hr[..., 0]
    if sr.ndim == 2 or equal_channels(sr):
        return (sr if sr.ndim == 2 else sr[..., 0]), hr
    if rule.grey == "tile":
        return sr, hr
    mean = sr.mean(axis=2, dtype=np.float64)
    return (np.floor(mean + 0.5) if rule.quantise else mean), hr


def _luma_and_image(
    sr: npt.NDArray[Any], hr: npt.NDArray[np.uint8], grey: bool
) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8]]:
    """SR as one channel, HR as one if it is grey, else as three."""
    if sr.ndim == 3 and not equal_channels(sr):
        raise SrgridError("SR is in colour; this protocol scores SR images that are luma, with one channel")
    sr = sr if sr.ndim == 2 else sr[..., 0]
    if grey:
        return sr, hr if hr.ndim == 2 else hr[..., 0]
    return sr, hr if hr.ndim == 3 else tiled(hr)


def _both_rgb(sr: npt.NDArray[Any], hr: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8]]:
    hr = hr if hr.ndim == 3 else tiled(hr)
    if sr.ndim == 3:
        return sr, hr
    if not equal_channels(hr):
        raise SrgridError("SR is grey and HR is in colour; give both the same channels")
    return tiled(sr), hr


def _same_size(sr: npt.NDArray[Any], hr: npt.NDArray[np.uint8], scale: int, rule: Protocol) -> npt.NDArray[np.uint8]:
    if sr.shape[:2] == hr.shape[:2]:
        return hr
    expected = tuple(n - n % scale for n in hr.shape[:2])
    if sr.shape[:2] != expected:
        sr_size, hr_size = (f"{i.shape[1]} x {i.shape[0]}" for i in (sr, hr))
        raise SrgridError(f"SR is {sr_size} and HR {hr_size}: not the same image at scale {scale}")
    if rule.hr == "crop":
        return modcrop(hr, scale)
    resized = Image.fromarray(hr).resize((expected[1], expected[0]), Image.Resampling.BICUBIC)
    return np.asarray(resized, dtype=np.uint8)


def _luma(image: npt.NDArray[Any], rule: Protocol) -> Float:
    values = _floats(image)
    if values.ndim == 2:
        if rule.grey == "own":
            return values
        values = np.repeat(values[..., None], 3, axis=2)
    y = luma(values, rule.luma)
    return np.floor(y + 0.5) if rule.round_luma else y


def _floats(image: npt.NDArray[Any]) -> Float:
    return np.clip(image, 0, PEAK).astype(np.float64) if image.dtype != np.uint8 else image.astype(np.float64)
