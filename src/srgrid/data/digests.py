"""What is known of benchmark images' pixels: digests of the whole image, of its usual crops, and a small thumbprint.

A digest file is CSV, several rows an image: the whole image first (with its original file name and thumbprint), then
its top-left crops to multiples of 2, 3, 4, 6, 8 and 12, as toolboxes write them.
"""

from __future__ import annotations

import csv
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
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
    try:
        if not path.is_file():
            raise FileNotFoundError("no such file")
        state = path.stat()
        return dict(_read_digests(path, state.st_mtime_ns, state.st_size))
    except (OSError, ValueError, csv.Error) as error:
        raise SrgridError(f"{path}: missing or damaged digest file ({error})") from None


@lru_cache(maxsize=64)
def _read_digests(path: Path, _changed: int, _size: int) -> dict[str, Known]:
    """Once for each state of the file: the registry is asked many times. Raises ValueError, naming the line."""
    found: dict[str, Known] = {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, strict=True)
        lacking = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if lacking:
            raise ValueError(f"no column {', '.join(lacking)}")
        for row in reader:
            try:
                _take_row(row, found)
            except (ValueError, TypeError, AttributeError) as error:  # a short row holds None, a long one a list
                raise ValueError(f"line {reader.line_num}: {error}") from None
    owners: dict[str, str] = {}
    for known in found.values():
        if owners.setdefault(known.sha256, known.image) != known.image:
            raise ValueError(f"{owners[known.sha256]} and {known.image} have the same pixels")
    return found


def _take_row(row: Mapping[str, str], found: dict[str, Known]) -> None:
    """Add a row: of an image not seen yet the whole, else one of its crops."""
    name = unicodedata.normalize("NFC", row["image"])
    size = _whole(row["width"]), _whole(row["height"])
    if not re.fullmatch("[0-9a-f]{64}", row["sha256"]):
        raise ValueError(f"{name!r}: sha256 is not 64 hexadecimal digits")
    if row["channels"] not in ("1", "3"):
        raise ValueError(f"{name!r}: channels is {row['channels']!r}, not 1 or 3")
    if name in found:
        whole = found[name]
        if (
            size in whole.crops
            or size[0] > whole.width
            or size[1] > whole.height
            or size == (whole.width, whole.height)
        ):
            raise ValueError(f"{name!r}: {size[0]}x{size[1]} comes twice, or is no crop of its first row")
        whole.crops[size] = row["sha256"]
        return
    if not plain_name(name):
        raise ValueError(f"{name!r} is no name of an image")
    small = np.frombuffer(bytes.fromhex(row["thumbprint"]), np.uint8).astype(np.int16)
    if small.size != GRID**2:
        raise ValueError(f"{name!r}: the thumbprint has {small.size} bytes, not {GRID**2}")
    original = unicodedata.normalize("NFC", row["original"])
    found[name] = Known(name, original, *size, int(row["channels"]), row["sha256"], small)


def _whole(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,5}", text):
        raise ValueError(f"{text!r} is no size in pixels")
    return int(text)


def plain_name(name: str) -> bool:
    """Whether a name can be that of a file anywhere: text without control characters, no path, not hidden, not long."""
    text = all(unicodedata.category(letter) not in ("Cc", "Cs") for letter in name)
    return text and not name.startswith(".") and not set(name) & set("/\\:") and 0 < len(os.fsencode(name)) <= 200
