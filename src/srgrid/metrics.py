"""PSNR and SSIM under declared protocols.

scikit-image defines both numbers. SSIM is computed here in strips that stay in the processor's cache, two to four
times faster than `skimage.metrics.structural_similarity` and equal to it to 1e-10; `ssim_reference` is that function,
and every scoring run checks itself against it (`srgrid.scoring`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from srgrid.errors import SrgridError
from srgrid.grey import equal_channels, is_grey, tiled
from srgrid.resize import modcrop

Float = npt.NDArray[np.float64]

PEAK = 255.0
SIGMA = 1.5
C1, C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2  # Wang et al. 2004
STRIP = 32

# Float SR: what rounds to 0..255 is in range. An SR image is about as bright as its HR; one 16 times darker is on
# another scale (0..1 is 255 times darker), unless HR is all but black itself.
_OVERSHOOT = 0.5
_DARK, _DARKER = 0.5, 16.0

# Y = offset + R, G, B weights on 0..255 values. bt601: MATLAB's rgb2ycbcr. super-image: its own table, whose first
# weight differs from BT.601's 65.738/256.
LUMA: dict[str, tuple[float, tuple[float, float, float]]] = {
    "bt601": (16.0, (65.481 / 255, 128.553 / 255, 24.966 / 255)),
    "super-image": (16.0, (64.738 / 256, 129.057 / 256, 25.064 / 256)),
    "bt601-full-range": (0.0, (0.299, 0.587, 0.114)),
}

Kernel = Literal["matlab", "pillow"]
Border = Literal["valid", "reflect"]
Window = Literal["gaussian-11", "uniform-7"]

# Radius of the square window. gaussian-11: sigma 1.5, population covariance (Wang et al. 2004; scikit-image truncates
# the Gaussian at 3.5 sigma). uniform-7: scikit-image's defaults, sample covariance.
RADIUS: dict[Window, int] = {"gaussian-11": 5, "uniform-7": 3}


class Score(NamedTuple):
    """PSNR in dB (inf for equal images) and SSIM (at most 1) of one image, or their means over images."""

    psnr: float
    ssim: float


@dataclass(frozen=True)
class Protocol:
    """How a super-resolved image is made comparable with its original, and compared. Every field is a choice that
    moves published numbers; the audit measures by how much."""

    name: str
    about: str
    lr_kernel: Kernel = "matlab"  # which bicubic makes the LR images (and enlarges them for the bicubic baseline)
    hr: Literal["crop", "resize"] = "crop"  # HR not a multiple of the scale: cropped, or resized to the SR's size
    quantise: bool = True  # SR rounded to 8 bits before scoring
    luma: Literal["bt601", "super-image", "bt601-full-range"] = "bt601"
    round_luma: bool = False  # both Y images rounded to 8 bits
    shave: int | Literal["scale"] = "scale"  # pixels cut from every border
    grey: Literal["own", "tile"] = "own"  # grey images: own values, or tiled to RGB and converted to Y
    ssim_window: Window = "gaussian-11"  # or uniform-7: what scikit-image does when it is not told otherwise
    ssim_border: Border = "valid"  # average the windows inside the image, or all, the border reflected


PROTOCOLS: dict[str, Protocol] = {
    p.name: p
    for p in (
        Protocol("rgb8", "SR is an 8-bit RGB image, compared on its unrounded Y: the RCAN paper's script."),
        Protocol("luma8", "As rgb8, on Y rounded to 8 bits: the card's bicubic column.", round_luma=True),
        Protocol(
            "super-image",
            "Float SR, Pillow LR images, HR resized to LR size x scale, its own Y weights: the card's model column.",
            lr_kernel="pillow",
            hr="resize",
            quantise=False,
            luma="super-image",
        ),
    )
}


def protocols(extra: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Protocol]:
    """The built-in protocols and those of a config: `{name: {base: rgb8, shave: 0, ...}}`.

    Raises SrgridError, naming the key, for an unknown base, field or value, or a built-in name defined again.
    """
    known = dict(PROTOCOLS)
    for name, given in (extra or {}).items():
        if name in PROTOCOLS:
            raise SrgridError(f"protocols.{name}: is built in and cannot be redefined; choose another name")
        if not isinstance(given, Mapping):
            raise SrgridError(f"protocols.{name}: expected fields, such as {{base: rgb8, shave: 0}}, got {given!r}")
        changes = dict(given)
        base = get_protocol(str(changes.pop("base", "rgb8")), known)
        for key, value in changes.items():
            _check_field(name, key, value)
        known[name] = replace(base, name=name, **{"about": f"As {base.name}, changed: {changes}.", **changes})
    return known


def _check_field(name: str, key: str, value: object) -> None:
    allowed: dict[str, tuple[object, ...]] = {
        "lr_kernel": get_args(Kernel),
        "hr": ("crop", "resize"),
        "quantise": (True, False),
        "luma": tuple(LUMA),
        "round_luma": (True, False),
        "grey": ("own", "tile"),
        "ssim_window": get_args(Window),
        "ssim_border": get_args(Border),
    }
    if key not in {f.name for f in fields(Protocol)} - {"name"}:
        raise SrgridError(f"protocols.{name}.{key}: no such key; the keys are base, {', '.join([*allowed, 'shave'])}")
    if key in allowed and value not in allowed[key]:
        choices = ", ".join(map(str, allowed[key]))
        raise SrgridError(f"protocols.{name}.{key}: {value!r} is not one of {choices}")
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if key == "shave" and not (value == "scale" or whole):
        raise SrgridError(f"protocols.{name}.shave: {value!r} is neither 'scale' nor a number of pixels")


def get_protocol(name: str, known: Mapping[str, Protocol] = PROTOCOLS) -> Protocol:
    """The protocol of that name. Raises SrgridError, listing the names, if there is none."""
    if name not in known:
        raise SrgridError(f"unknown protocol {name!r}; choose one of {', '.join(known)}")
    return known[name]


def score(
    sr: npt.NDArray[Any],
    hr: npt.NDArray[np.uint8],
    scale: int,
    protocol: str | Protocol = "rgb8",
    *,
    rgb: bool = False,
    check: bool = False,
) -> Score:
    """PSNR (dB) and SSIM of a super-resolved image against its original.

    sr: H x W or H x W x 3, uint8, or float in 0..255 for protocols that do not quantise. hr: uint8, of the same size
    or, where that is not a multiple of `scale`, of the size before cropping. Whether HR is grey is decided by
    `srgrid.grey.is_grey`, not by its packaging, unless `rgb` says that three equal channels are RGB too (as of a part
    of a colour image). `check` computes both with scikit-image too and compares. Raises SrgridError for sizes, types,
    ranges or channels that do not fit each other, or an image smaller than the SSIM window after shaving.

    >>> image = np.full((24, 24), 100, np.uint8)
    >>> score(image + np.uint8(5), image, scale=2).psnr.__round__(4)
    34.1514
    """
    rule = get_protocol(protocol) if isinstance(protocol, str) else protocol
    sr_y, hr_y = luma_pair(sr, hr, scale, rule, rgb=rgb)
    value = Score(psnr(sr_y, hr_y), ssim(sr_y, hr_y, rule.ssim_border, rule.ssim_window))
    if check:
        _check_by_scikit_image(value, sr_y, hr_y, rule)
    return value


def _check_by_scikit_image(value: Score, sr_y: Float, hr_y: Float, rule: Protocol) -> None:
    from skimage.metrics import peak_signal_noise_ratio

    same = np.array_equal(sr_y, hr_y)
    psnr_there = np.inf if same else peak_signal_noise_ratio(sr_y, hr_y, data_range=PEAK)  # type: ignore[no-untyped-call]
    there = Score(float(psnr_there), ssim_reference(sr_y, hr_y, rule.ssim_border, rule.ssim_window))
    if not np.allclose(value, there, rtol=0, atol=1e-9):
        raise SrgridError(f"self-check failed: {value} here, {there} by scikit-image; please report this")


def luma_pair(
    sr: npt.NDArray[Any], hr: npt.NDArray[np.uint8], scale: int, rule: Protocol, *, rgb: bool = False
) -> tuple[Float, Float]:
    """The two Y images, float64 on 0..255, equal in size and shaved, that the protocol compares."""
    _check_hr(hr, scale)
    _check_sr(sr, hr, rule)
    grey = is_grey(hr) if not rgb else hr.ndim == 2
    sr, hr = _both_grey(sr, hr, rule) if grey else _both_rgb(sr, hr)
    hr = _same_size(sr, hr, scale, rule)
    cut = scale if rule.shave == "scale" else rule.shave
    rows, columns = (n - 2 * cut for n in hr.shape[:2])
    needed = 2 * RADIUS[rule.ssim_window] + 1
    if min(rows, columns) < needed:
        size = f"{hr.shape[1]} x {hr.shape[0]}"
        raise SrgridError(f"an image of {size} is too small to score: {needed} px are needed after shaving {cut}")
    sr_y, hr_y = (_luma(image[cut : cut + rows, cut : cut + columns], rule) for image in (sr, hr))
    return sr_y, hr_y


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
    values = np.clip(image, 0, PEAK).astype(np.float64) if image.dtype != np.uint8 else image.astype(np.float64)
    if values.ndim == 2:
        if rule.grey == "own":
            return values
        values = np.repeat(values[..., None], 3, axis=2)
    offset, weights = LUMA[rule.luma]
    y: Float = values @ np.array(weights) + offset
    return np.floor(y + 0.5) if rule.round_luma else y


def psnr(a: Float, b: Float) -> float:
    """Peak signal-to-noise ratio in dB, peak 255; inf for equal images (as scikit-image's)."""
    error = (a - b).ravel()
    mse = float(error @ error) / error.size
    return float("inf") if mse == 0 else float(10 * np.log10(PEAK**2 / mse))


def ssim(a: Float, b: Float, border: Border = "valid", window: Window = "gaussian-11") -> float:
    """Structural similarity (Wang et al. 2004) of two float64 images on 0..255, averaged over windows inside the image
    (`valid`) or all, the border reflected."""
    radius = RADIUS[window]
    size = 2 * radius + 1
    bias = size**2 / (size**2 - 1) if window == "uniform-7" else 1.0  # sample covariance
    if border == "reflect":
        a, b = (np.pad(image, radius, mode="symmetric") for image in (a, b))
    height, width = (n - 2 * radius for n in a.shape)
    total = 0.0
    for top in range(0, height, STRIP):
        rows = min(STRIP, height - top)
        x, y = (image[top : top + rows + 2 * radius] for image in (a, b))
        blurred = _blur(rows, window) @ np.stack([x, y, x * y, x * x + y * y])
        out = np.empty((4, rows, width))
        for left in range(0, width, STRIP):
            columns = min(STRIP, width - left)
            block = blurred[..., left : left + columns + 2 * radius]
            np.matmul(block, _blur(columns, window).T, out=out[..., left : left + columns])
        total += _ssim_sum(out[0], out[1], out[2], out[3], bias)
    return float(total / (height * width))


def _ssim_sum(mean_x: Float, mean_y: Float, mean_xy: Float, mean_squares: Float, bias: float) -> float:
    product = mean_x * mean_y
    squares = mean_x * mean_x + mean_y * mean_y
    above = (2 * product + C1) * (2 * bias * (mean_xy - product) + C2)
    below = (squares + C1) * (bias * (mean_squares - squares) + C2)
    return float((above / below).sum())


@lru_cache(maxsize=2 * STRIP)
def _blur(outputs: int, window: Window) -> Float:
    """outputs x (outputs + 2 radius): each row is the window's normalised taps, one further to the right."""
    radius = RADIUS[window]
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / SIGMA) ** 2)
    if window == "uniform-7":
        taps = np.ones(2 * radius + 1)
    matrix = np.zeros((outputs, outputs + 2 * radius))
    for row in range(outputs):
        matrix[row, row : row + 2 * radius + 1] = taps / taps.sum()
    return matrix


def ssim_reference(a: Float, b: Float, border: Border = "valid", window: Window = "gaussian-11") -> float:
    """The same by scikit-image: `structural_similarity`, its map cropped by the window's radius for `valid`."""
    from skimage.metrics import structural_similarity

    gaussian = {"gaussian_weights": True, "sigma": SIGMA, "use_sample_covariance": False}
    options = gaussian if window == "gaussian-11" else {"win_size": 7}
    _, full = structural_similarity(a, b, data_range=PEAK, full=True, **options)  # type: ignore[no-untyped-call]
    radius = RADIUS[window]
    inside = slice(radius, -radius) if border == "valid" else slice(None)
    return float(full[inside, inside].mean())
