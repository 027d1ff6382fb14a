"""Variants of a data set as declared steps: how their HR images follow from the parent's."""

from __future__ import annotations

from fractions import Fraction

from srgrid.errors import SrgridError
from srgrid.images import Array
from srgrid.resize import imresize, modcrop


def apply_steps(image: Array, steps: tuple[tuple[str, Fraction], ...]) -> Array:
    """A parent's HR image after the steps of a variant: `imresize` (a ratio) and `modcrop` (an integer)."""
    for step, argument in steps:
        if step == "imresize":
            image = imresize(image, float(argument))
        elif step == "modcrop":
            image = modcrop(image, int(argument))
        else:
            raise SrgridError(f"unknown step {step!r}; choose imresize or modcrop")
    return image
