"""Recognise a benchmark image by its pixels, whatever the file is called and however it is packed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from srgrid import images
from srgrid.data.digests import CROPS, GRID, Known, Thumbprint, thumbprint
from srgrid.data.registry import Dataset
from srgrid.grey import equal_channels, tiled

# Two thumbprints show the same picture if their mean difference (of 255) and their correlation say so. Measured on the
# four test sets, for JPEG quality 10, resizing to a quarter and crops by 11 pixels: difference at most 12,
# correlation at least 0.909. Of two different pictures that differ by less than 30, none correlates above 0.883 (but
# for Set5's head and Set14's face, which are one photograph).
NEAR = 12.0
ALIKE = 0.9


@dataclass(frozen=True)
class Match:
    """Which benchmark image some pixels are.

    `how`: exact; larger (holds all its pixels and a few rows or columns more, right or below); cropped (its top-left
    part, at a usual size); changed (the same picture at its size, other pixels); resized (the same picture at another
    size); unknown.
    """

    how: str
    dataset: str = ""
    image: str = ""
    detail: str = ""
    known: Known | None = None
    pixels: images.Array | None = None  # the benchmark image itself, where `how` is exact or larger


class Catalogue:
    """The known images of some data sets, indexed by digest and by thumbprint."""

    def __init__(self, datasets: Iterable[Dataset]) -> None:
        self._whole: dict[str, tuple[str, Known]] = {}
        self._crops: dict[str, tuple[str, Known]] = {}
        self._all: list[tuple[str, Known]] = []
        for dataset in datasets:
            for known in dataset.known.values():
                self._all.append((dataset.name, known))
                self._whole.setdefault(known.sha256, (dataset.name, known))
                for sha256 in known.crops.values():
                    self._crops.setdefault(sha256, (dataset.name, known))
        self._sizes = {(known.width, known.height) for _, known in self._all}
        self._thumbprints = np.array([known.thumbprint for _, known in self._all], np.int16).reshape(-1, GRID * GRID)

    def match(self, image: images.Array) -> Match:
        """The benchmark image that a uint8 image, H x W or H x W x 3, is."""
        found = self._by_digest(image, "")
        if found is None and image.ndim == 2:
            found = self._by_digest(tiled(image), "stored as one channel; taken as three equal ones, as published")
        elif found is None and equal_channels(image):
            grey = np.ascontiguousarray(image[..., 0])
            found = self._by_digest(grey, "stored as three equal channels; taken as grey")
        return found or self._by_thumbprint(image)

    def _by_digest(self, image: images.Array, detail: str) -> Match | None:
        digest = images.pixel_digest(image)
        if digest in self._whole:
            dataset, known = self._whole[digest]
            return Match("exact", dataset, known.image, detail, known, image)
        height, width = image.shape[:2]
        if digest in self._crops:
            dataset, known = self._crops[digest]
            size = f"cropped to {width}x{height} from {known.width}x{known.height}"
            return Match("cropped", dataset, known.image, "; ".join(filter(None, (size, detail))), known)
        for w, h in self._sizes:
            if 0 <= width - w < max(CROPS) and 0 <= height - h < max(CROPS):
                part = np.ascontiguousarray(image[:h, :w])
                part_digest = images.pixel_digest(part)
                if part_digest in self._whole:
                    dataset, known = self._whole[part_digest]
                    size = f"{width}x{height}, the benchmark's are its first {w}x{h} pixels"
                    return Match("larger", dataset, known.image, "; ".join(filter(None, (size, detail))), known, part)
        return None

    def _by_thumbprint(self, image: images.Array) -> Match:
        height, width = image.shape[:2]
        if not self._all or min(height, width) < GRID:
            return Match("unknown")
        seen = thumbprint(image)
        distances = np.abs(self._thumbprints - seen).mean(axis=1)
        distances[_correlations(self._thumbprints, seen) < ALIKE] = NEAR
        near = [i for i in np.argsort(distances, kind="stable")[:4] if distances[i] < NEAR]
        if not near:
            return Match("unknown")
        # Among pictures that are alike (Urban100 and Urban100-half, for one), the one whose size explains this one's.
        dataset, known = min((self._all[i] for i in near), key=lambda item: _size_rank(item[1], width, height))
        if _size_rank(known, width, height)[0] == 0:
            detail = "the same picture with other pixels: re-compressed, edited, damaged or another release"
            return Match("changed", dataset, known.image, detail, known)
        detail = f"the same picture at {width}x{height} instead of {known.width}x{known.height}"
        return Match("resized", dataset, known.image, detail, known)


def _correlations(thumbprints: Thumbprint, seen: Thumbprint) -> npt.NDArray[np.float64]:
    """Of each row with `seen`; 0 where one of the two is flat."""
    rows = thumbprints - thumbprints.mean(axis=1, keepdims=True)
    one = seen - seen.mean()
    scale = np.sqrt((rows**2).sum(axis=1) * (one**2).sum())
    return np.asarray((rows @ one) / np.where(scale > 0, scale, np.inf), np.float64)


def _size_rank(known: Known, width: int, height: int) -> tuple[int, int]:
    """How well a benchmark image explains a size: 0 as it is or cropped a little, 1 as its LR image, 2 otherwise."""
    apart = abs(known.width - width) + abs(known.height - height)
    if abs(known.width - width) < max(CROPS) and abs(known.height - height) < max(CROPS):
        return 0, apart
    scale = max(1, round(known.width / width))
    return (1 if (known.width // scale, known.height // scale) == (width, height) else 2), apart
