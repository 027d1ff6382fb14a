"""The only place that reads and writes image files.

An image is a uint8 array: H x W (one channel) or H x W x 3 (RGB). Files that hold exactly that in another
packaging (palette, 1-bit, an alpha channel that is opaque everywhere) are converted; files that would lose
something (16 bits, real transparency, CMYK) are refused.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from srgrid.errors import SrgridError
from srgrid.files import staged_file

Array = npt.NDArray[np.uint8]

EXTENSIONS = frozenset({".png", ".bmp", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})


def read(path: str | os.PathLike[str]) -> Array:
    """Read an 8-bit image as a uint8 array, H x W or H x W x 3 (RGB).

    Raises SrgridError, naming the file, if it is missing, unreadable, truncated, animated, deeper than 8 bits,
    partly transparent, or in a colour space other than grey and RGB.
    """
    path = Path(path)
    try:
        with Image.open(path) as image:
            _refuse_what_would_lose(image, path)
            image.load()
            return np.ascontiguousarray(_to_grey_or_rgb(image, path), dtype=np.uint8)
    except FileNotFoundError:
        raise SrgridError(f"{path}: there is no such image file") from None
    except UnidentifiedImageError:
        raise SrgridError(f"{path}: not an image that can be read; replace the file") from None
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise SrgridError(f"{path}: unreadable or truncated image ({error}); fetch the file again") from None


def _refuse_what_would_lose(image: Image.Image, path: Path) -> None:
    raw_modes = " ".join(str(tile[3]) for tile in getattr(image, "tile", ()))
    if image.mode.startswith(("I", "F")) or "16" in raw_modes:
        raise SrgridError(f"{path}: more than 8 bits a sample; convert it to 8 bits first (srgrid never rounds images)")
    if getattr(image, "n_frames", 1) > 1:
        raise SrgridError(f"{path}: holds several images; split it into one file each")


def _to_grey_or_rgb(image: Image.Image, path: Path) -> Image.Image:
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode in ("L", "RGB", "P", "LA", "PA", "RGBA"):
        rgba = image.convert("RGBA")
        if rgba.getchannel("A").getextrema() != (255, 255):
            raise SrgridError(f"{path}: has transparent pixels; flatten it onto a background first")
        return image.convert("L" if image.mode in ("L", "LA") else "RGB")
    raise SrgridError(f"{path}: colour space {image.mode} is not supported; convert it to 8-bit grey or RGB first")


def check(image: npt.NDArray[Any], what: str = "image") -> None:
    """Raise SrgridError unless `image` is uint8, H x W or H x W x 3 (any channel count is fine), and not empty."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
        raise SrgridError(f"{what}: expected a uint8 array, got {kind}; convert it explicitly (values 0..255)")
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise SrgridError(f"{what}: expected H x W or H x W x C with at least one pixel, got shape {image.shape}")


def write(path: str | os.PathLike[str], image: Array) -> None:
    """Write a uint8 H x W or H x W x 3 array as PNG: the same samples always give the same bytes, atomically."""
    check(image, str(path))
    if image.ndim == 3 and image.shape[2] != 3:
        raise SrgridError(f"{path}: can write 1 or 3 channels, got {image.shape[2]}")
    with staged_file(Path(path)) as staged:
        Image.fromarray(image).save(staged, format="PNG", compress_level=1)


def list_images(folder: str | os.PathLike[str]) -> list[Path]:
    """The image files directly in `folder`, sorted by name. Raises SrgridError if there are none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise SrgridError(f"{folder}: there is no such folder")
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in EXTENSIONS and not p.name.startswith("."))
    if not found:
        raise SrgridError(f"{folder}: holds no images ({', '.join(sorted(EXTENSIONS))})")
    return found


def by_stem(files: list[Path]) -> dict[str, Path]:
    """Files keyed by name without extension. Raises SrgridError if two share a stem."""
    keyed: dict[str, Path] = {}
    for file in files:
        if file.stem in keyed:
            raise SrgridError(f"{file}: {keyed[file.stem].name} has the same name; remove one of the two")
        keyed[file.stem] = file
    return keyed


def pixel_digest(image: npt.NDArray[Any]) -> str:
    """sha256 (hex) of the decoded samples, independent of file format: 'HxWxC:' followed by the bytes in row order."""
    channels = image.shape[2] if image.ndim == 3 else 1
    head = f"{image.shape[0]}x{image.shape[1]}x{channels}:".encode()
    return hashlib.sha256(head + np.ascontiguousarray(image).tobytes()).hexdigest()


def describe(image: npt.NDArray[Any]) -> dict[str, Any]:
    """An image's manifest entry: size in pixels, channels, digest of the samples."""
    return {
        "width": image.shape[1],
        "height": image.shape[0],
        "channels": image.shape[2] if image.ndim == 3 else 1,
        "sha256": pixel_digest(image),
    }


def describe_folder(folder: Path) -> dict[str, dict[str, Any]]:
    """The manifest entries of the images in a folder."""
    return {file.name: describe(read(file)) for file in list_images(folder)}


def load_array(path: Path) -> npt.NDArray[Any]:
    """An image file as uint8, or a float SR image (.npy, float32, 0..255) as it is."""
    if path.suffix != ".npy":
        return read(path)
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError) as error:
        raise SrgridError(f"{path}: unreadable array ({error}); make the file again") from None
