"""Photographs as people have them: with transparency, with a colour profile, in other file formats than PNG."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from srgrid import images
from srgrid.errors import SrgridError
from srgrid.files import staged_file
from srgrid.images import Array
from srgrid.resize import imresize

_PROFILE_OF = slice(16, 20)  # of an ICC profile: the colour space that it describes


@dataclass(frozen=True)
class Photo:
    """colour: uint8, H x W or H x W x 3. alpha: uint8, H x W; None if all is opaque. icc: the colour profile."""

    colour: Array
    alpha: Array | None = None
    icc: bytes | None = None

    @property
    def samples(self) -> Array:
        """The channels as one array, alpha last: H x W, or H x W x 2, 3 or 4."""
        return self.colour if self.alpha is None else np.dstack([self.colour, self.alpha])

    def enlarged(self, colour: Array, scale: int) -> Photo:
        """An SR image of its colours with its alpha, enlarged apart by MATLAB's bicubic, and its colour profile."""
        return Photo(colour, None if self.alpha is None else imresize(self.alpha, scale), self.icc)

    def to_pil(self) -> Image.Image:
        """As a PIL image of mode L, LA, RGB or RGBA, which saves its colour profile."""
        picture = Image.fromarray(self.colour)
        if self.alpha is not None:
            picture.putalpha(Image.fromarray(self.alpha))
        if self.icc:
            picture.info["icc_profile"] = self.icc
        return picture


@dataclass(frozen=True)
class Format:
    """A file format that SR images are written in: Pillow's name, and Pillow's options of both kinds.

    lossless: None if it never is. lossy: with these, and a quality; None if there is no such kind.
    """

    name: str
    lossless: dict[str, Any] | None = field(default_factory=dict)
    lossy: dict[str, Any] | None = None
    alpha: bool = True
    profile: bool = True


_TIFF = Format("TIFF", {"compression": "tiff_adobe_deflate"})
_JPEG = Format("JPEG", None, {"subsampling": 0, "optimize": True}, alpha=False)
_PNM = Format("PPM", alpha=False, profile=False)
FORMATS = {
    ".png": Format("PNG", images.PNG),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".webp": Format("WEBP", {"lossless": True, "exact": True}, {"exact": True}),
    ".bmp": Format("BMP", alpha=False, profile=False),
    ".ppm": _PNM,
    ".pgm": _PNM,
    ".tga": Format("TGA", profile=False),
    ".jp2": Format("JPEG2000", profile=False),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".avif": Format("AVIF", None, {"subsampling": "4:4:4"}),
}


def read(path: str | os.PathLike[str]) -> Photo:
    """Read an image file as `srgrid.images.read` does, keeping its transparency and colour profile."""
    return images.decode(Path(path), from_pil)


def from_pil(image: Image.Image, what: str = "image") -> Photo:
    """A PIL image as `read` would give its file. Raises SrgridError as `srgrid.images.from_pil`, but for alpha."""
    icc = image.info.get("icc_profile")
    colour, alpha = images.colour_and_alpha(image, what)
    space = b"GRAY" if colour.ndim == 2 else b"RGB "
    fits = isinstance(icc, bytes) and icc[_PROFILE_OF] == space  # a grey palette has a profile of RGB
    return Photo(colour, alpha, icc if fits else None)


def format_of(path: Path, quality: int | None = None) -> Format:
    """The format that a file's name asks for. Raises SrgridError if it, or its quality, cannot be had."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise SrgridError(f"{path}: {suffix or 'no extension'} is not written; choose one of {', '.join(FORMATS)}")
    found = FORMATS[suffix]
    if quality is None and found.lossless is None:
        others = ", ".join(name for name, one in FORMATS.items() if one.lossless is not None)
        raise SrgridError(f"{path}: {suffix[1:]} loses detail; give --quality 1 to 100, or choose one of {others}")
    if quality is not None and found.lossy is None:
        raise SrgridError(f"{path}: {suffix[1:]} is lossless and has no quality; leave --quality out")
    return found


def check_alpha(path: Path, photo: Photo, source: object) -> None:
    """Raise SrgridError unless a file's format can hold a photo's transparency, if it has any."""
    if photo.alpha is not None and not FORMATS[Path(path).suffix.lower()].alpha:
        keeping = ", ".join(name for name, one in FORMATS.items() if one.alpha)
        raise SrgridError(f"{source}: has transparent pixels, which {path} cannot hold; choose one of {keeping}")


def write(path: Path, photo: Photo, quality: int | None = None) -> None:
    """Write a photo in the format of the file's name, atomically: without loss, or lossy with a quality of 1 to 100.

    Raises SrgridError as `format_of` and `check_alpha`, or if the format cannot hold the image.
    """
    chosen = format_of(path, quality)
    check_alpha(path, photo, path)
    options = dict(chosen.lossless or {}) if quality is None else {**(chosen.lossy or {}), "quality": quality}
    if photo.icc and chosen.profile:
        options["icc_profile"] = photo.icc
    with staged_file(path) as staged:
        try:
            photo.to_pil().save(staged, format=chosen.name, **options)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno:
                raise
            raise SrgridError(f"{path}: cannot be written as {chosen.name} ({error}); choose .png") from None


def stored(path: Path, photo: Photo, quality: int | None) -> npt.NDArray[Any]:
    """The samples that a written file holds: the photo's own, or, of a lossy one, what is left of them."""
    if quality is None:
        return photo.samples
    with Image.open(path) as image:
        return np.asarray(image)
