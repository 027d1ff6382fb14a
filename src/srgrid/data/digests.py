"""What is known of benchmark images' pixels: digests of the whole image, of its usual crops, and a small thumbprint.

A digest file is CSV, several rows an image: the whole image first (with its original file name and thumbprint), then
its top-left crops to multiples of 2, 3, 4, 6, 8 and 12, as toolboxes write them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from srgrid import images
from srgrid.errors import SrgridError
from srgrid.files import staged_file

CROPS = (2, 3, 4, 6, 8, 12)
COLUMNS = ("image", "original", "width", "height", "channels", "sha256", "thumbprint")
GRID = 8  # a thumbprint is the mean grey of GRID x GRID tiles, one byte each

Thumbprint = npt.NDArray[np.int16]


@dataclass
class Known:
    """One benchmark image: width x height, digest of its samples, digests of its crops by (width, height)."""

    image: str
    original: str  # file name in the original release, without extension
    width: int
    height: int
    channels: int
    sha256: str
    thumbprint: Thumbprint
    crops: dict[tuple[int, int], str] = field(default_factory=dict)


def thumbprint(image: images.Array) -> Thumbprint:
    """Mean grey of 8 x 8 tiles, 64 values of 0..255: nearly the same after recompression, small crops and resizing.

    Raises SrgridError for an image with a side below 8 pixels.
    """
    height, width = image.shape[:2]
    if min(height, width) < GRID:
        raise SrgridError(f"thumbprint: an image of {width} x {height} is smaller than {GRID} x {GRID}")
    grey = image.mean(axis=2, dtype=np.float32) if image.ndim == 3 else image.astype(np.float32)
    top, left = (np.arange(GRID) * n // GRID for n in (height, width))
    sums = np.add.reduceat(np.add.reduceat(grey, top, axis=0), left, axis=1)
    areas = np.diff(top, append=height)[:, None] * np.diff(left, append=width)
    means: Thumbprint = np.rint(sums / areas).astype(np.int16)
    return means.ravel()


def digest_rows(name: str, original: str, image: images.Array, crops: Iterable[int] = CROPS) -> list[dict[str, str]]:
    """The rows of a digest file for one image."""
    print_hex = bytes(thumbprint(image).astype(np.uint8)).hex()
    rows = [_row(name, original, image, print_hex)]
    sizes = {image.shape[:2]}
    for step in crops:
        height, width = (n - n % step for n in image.shape[:2])
        if (height, width) not in sizes and height and width:
            sizes.add((height, width))
            rows.append(_row(name, "", image[:height, :width], ""))
    return rows


def _row(name: str, original: str, image: images.Array, print_hex: str) -> dict[str, str]:
    entry = {key: str(value) for key, value in images.describe(image).items()}
    return {"image": name, "original": original, **entry, "thumbprint": print_hex}


def write_digests(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Write a digest file, atomically."""
    with staged_file(path) as staged, staged.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_digests(path: Path) -> dict[str, Known]:
    """Read a digest file: images by name, in the file's order. Raises SrgridError if it is missing or damaged."""
    found: dict[str, Known] = {}
    try:
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                size = int(row["width"]), int(row["height"])
                if row["image"] in found:
                    found[row["image"]].crops[size] = row["sha256"]
                    continue
                small = np.frombuffer(bytes.fromhex(row["thumbprint"]), np.uint8).astype(np.int16)
                found[row["image"]] = Known(
                    row["image"], row["original"], *size, int(row["channels"]), row["sha256"], small
                )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SrgridError(f"{path}: missing or damaged digest file ({error})") from None
    return found
