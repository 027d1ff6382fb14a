"""Steps that make an image from an image, as data: `[{modcrop: scale}, {imresize: 1/scale}]`.

A step is a function in STEPS and its argument: a number, a fraction or `scale`, such as 1/2 or 1/scale; or several
arguments by name, `{size: 7, sigma: 1.6}`. Degradations and variants of data sets are lists of steps.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from srgrid.errors import SrgridError
from srgrid.images import Array
from srgrid.interpolate import pillow
from srgrid.luma import luma8
from srgrid.resize import imresize, imresize_real, modcrop

Steps = tuple[tuple[str, Any], ...]  # names and arguments

UNROUNDED = "luma-imresize"  # the step that makes no image: what it gives is not rounded

_NUMBER = re.compile(r"\d{1,9}(\.\d{1,9})?")


def pillow_bicubic(image: Array, ratio: Fraction) -> Array:
    """Pillow's BICUBIC, which mirrors the border and rounds once; sizes are rounded down."""
    height, width = (int(side * ratio) for side in image.shape[:2])
    if 0 in (height, width):
        raise SrgridError(f"pillow-bicubic: nothing is left of an image of {image.shape[1]} x {image.shape[0]}")
    return pillow(image, height, width, Image.Resampling.BICUBIC)


def luma_imresize(image: Array, ratio: Fraction) -> npt.NDArray[np.float32]:
    """The luma of an image, in 8 bits, resized by a later MATLAB's imresize and not rounded: float32, H x W."""
    return imresize_real(luma8(image), float(ratio), mirrored=True).astype(np.float32)


# Functions of an image, uint8, H x W or H x W x 3, and of a Fraction (or several, by name).
STEPS: dict[str, Callable[..., npt.NDArray[Any]]] = {
    "imresize": lambda image, ratio: imresize(image, float(ratio)),
    UNROUNDED: luma_imresize,
    "modcrop": modcrop,
    "pillow-bicubic": pillow_bicubic,
}


def parse_steps(given: object) -> Steps:
    """Steps from a list of mappings of one key each. Raises SrgridError for anything else, and unknown steps."""
    if not isinstance(given, list) or not given or not all(isinstance(one, Mapping) and len(one) == 1 for one in given):
        raise SrgridError(f"expected steps, such as [{{modcrop: scale}}, {{imresize: 1/scale}}], got {given!r}")
    steps = tuple((str(name), argument) for one in given for name, argument in one.items())
    for name, argument in steps:
        if name not in STEPS:
            raise SrgridError(f"unknown step {name!r}; choose one of {', '.join(STEPS)}")
        named = {key: amount(value, 2) for key, value in argument.items()} if isinstance(argument, Mapping) else {}
        try:
            inspect.signature(STEPS[name]).bind(None, *([] if named else [amount(argument, 2)]), **named)
        except TypeError as error:
            raise SrgridError(f"{name}: {error}, of {{{name}: {argument}}}") from None
    return steps


def apply_steps(image: npt.NDArray[Any], steps: Steps, scale: int | None = None) -> npt.NDArray[Any]:
    """An image after steps. Raises SrgridError for an unknown step or argument, and as the steps do."""
    for name, argument in steps:
        if name not in STEPS:
            raise SrgridError(f"unknown step {name!r}; choose one of {', '.join(STEPS)}")
        if isinstance(argument, Mapping):
            image = STEPS[name](image, **{key: amount(value, scale) for key, value in argument.items()})
        else:
            image = STEPS[name](image, amount(argument, scale))
    return image


def amount(given: object, scale: int | None) -> Fraction:
    """What an argument means: a number, `scale`, or one of them divided by another."""
    parts = [part.strip() for part in str(given).split("/")]
    words = {"scale": str(scale)} if scale is not None else {}
    numbers = [words.get(part, part) for part in parts]
    if len(numbers) > 2 or not all(map(_NUMBER.fullmatch, numbers)) or not all(map(Fraction, numbers[1:])):
        raise SrgridError(f"{given!r} is no number, fraction or scale, such as 3, 1/2 or 1/scale")
    return Fraction(numbers[0]) / Fraction(numbers[1]) if len(numbers) == 2 else Fraction(numbers[0])
