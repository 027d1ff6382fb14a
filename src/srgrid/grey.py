"""Which images are grey, whatever their packaging.

One channel and three equal channels are the same grey image, and a protocol's `grey` field says how it is scored.
Eight images of the benchmarks are grey in content and yet RGB by publication: Set14's man and seven of Urban100 have
always been scored on the Y of their three equal channels, while Set14's bridge has one channel and is scored on its
own values. These, their halves (Urban100-half) and their usual crops are known by their digests.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from srgrid.images import Array, pixel_digest

_DIGESTS = Path(__file__).parent / "data/digests"
_MARGIN = 12  # some releases hold up to 11 rows or columns more


def equal_channels(image: npt.NDArray[Any]) -> bool:
    """Whether an H x W x 3 image has three equal channels."""
    first = image[::16, ::16]  # most colour images show themselves here
    return all(np.array_equal(part[..., 0], part[..., i]) for part in (first, image) for i in (1, 2))


def tiled(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """An H x W image as three equal channels."""
    return np.repeat(image[..., None], 3, axis=2)


def is_grey(image: Array) -> bool:
    """Whether a uint8 image, H x W or H x W x 3, counts as grey: by its content, but for those published as RGB."""
    if image.ndim == 3 and not equal_channels(image):
        return False
    return not _published_as_rgb(image if image.ndim == 3 else tiled(image))


def as_published(image: Array) -> Array:
    """The image in the packaging that counts: H x W if it is grey (see `is_grey`), else H x W x 3."""
    if image.ndim == 3:
        return np.ascontiguousarray(image[..., 0]) if is_grey(image) else image
    return image if is_grey(image) else tiled(image)


def _published_as_rgb(image: Array) -> bool:
    digests, sizes = _rgb_images()
    height, width = image.shape[:2]
    parts = {(height, width)} | {(h, w) for h, w in sizes if 0 <= height - h < _MARGIN and 0 <= width - w < _MARGIN}
    return any(pixel_digest(image[:h, :w]) in digests for h, w in parts)


@cache
def _rgb_images() -> tuple[frozenset[str], frozenset[tuple[int, int]]]:
    """Digests of the benchmarks' RGB images and of their crops, and the whole images' sizes (height, width)."""
    digests: set[str] = set()
    sizes: set[tuple[int, int]] = set()
    for path in sorted(_DIGESTS.glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["channels"] == "3":
                    digests.add(row["sha256"])
                    if row["thumbprint"]:
                        sizes.add((int(row["height"]), int(row["width"])))
    return frozenset(digests), frozenset(sizes)
