"""The only place that reads and writes image files.

An image is a uint8 array: H x W (one channel) or H x W x 3 (RGB), turned as a person sees it (EXIF orientation). Files
that hold exactly that in another packaging (palette, 1-bit, an alpha channel that is opaque everywhere) are converted;
files that would lose something (16 bits, real transparency, CMYK) are refused.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from tokenize import TokenError
from typing import Any, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from srgrid import jpeg, names
from srgrid.errors import SrgridError
from srgrid.files import staged_file
from srgrid.names import fault, kind_of, printable, some, stem, taken

Array = npt.NDArray[np.uint8]
Decoded = TypeVar("Decoded")

EXTENSIONS = names.EXTENSIONS
# How PNG is packed: of photographs no larger than zlib's level 1 makes it, and a sixth faster to write and to read.
PNG: dict[str, Any] = {"compress_level": 1, "compress_type": zlib.Z_RLE}
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM")  # by content; no other decoder sees a file
_LARGEST_FILE = 1 << 31  # bytes: no image of a size that is read needs more
_ORIENTATION = 0x0112
_OLD_BMP = 12  # bytes of the header that OS/2 wrote
_BITS_PER_SAMPLE, _SAMPLES_PER_PIXEL, _SAMPLE_FORMAT = 258, 277, 339  # TIFF's tags


def read(path: str | os.PathLike[str]) -> Array:
    """Read an 8-bit image as a uint8 array, H x W or H x W x 3 (RGB), upright.

    Raises SrgridError, naming the file, if it is missing, unreadable, truncated, animated, deeper than 8 bits,
    partly transparent, in a colour space other than grey and RGB, or a JPEG whose damage shows (srgrid.jpeg).
    """
    return decode(Path(path), from_pil)


def decode(path: Path, use: Callable[[Image.Image, str], Decoded]) -> Decoded:
    """What `use` makes of a file's image and name. Raises SrgridError as `read` for a file that cannot be decoded."""
    data = _bytes(path)
    source = _first_picture(path, data)
    try:
        with Image.open(source, formats=FORMATS) as image:
            decoded = use(image, str(path))
    except SrgridError:
        raise
    except UnidentifiedImageError:
        raise SrgridError(f"{path}: not an image that can be read{_announced(data)}; convert or replace it") from None
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        raise SrgridError(f"{path}: has more than {most} million pixels, the most that are read; cut it up") from None
    except Exception as error:  # Pillow's parsers answer hostile bytes with whatever their code runs into
        raise SrgridError(f"{path}: unreadable or truncated image ({error}); fetch the file again") from None
    if isinstance(source, jpeg.Picture) and source.left_over:
        raise SrgridError(f"{path}: damaged image (it is complete before its data ends); fetch the file again")
    return decoded


def _first_picture(path: Path, data: bytes) -> io.BytesIO:
    if not data.startswith(jpeg.START):
        return io.BytesIO(data)
    try:
        return jpeg.first_picture(data)
    except ValueError as error:
        raise SrgridError(f"{path}: damaged or truncated image ({error}); fetch the file again") from None


def _announced(data: bytes) -> str:
    kind = kind_of(data)
    return f" (it is {kind})" if kind else ""


def _bytes(path: Path) -> bytes:
    """A file's content. Raises SrgridError for what is no file (a FIFO would wait for ever) or cannot be read."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            kind = "a folder" if stat.S_ISDIR(about.st_mode) else "a pipe or device"
            raise SrgridError(f"{path}: is {kind}, not an image file")
        if about.st_size > _LARGEST_FILE:
            raise SrgridError(f"{path}: {about.st_size} bytes are more than any image that is read has; cut it up")
        return path.read_bytes()
    except FileNotFoundError:
        raise SrgridError(f"{path}: there is no such image file") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise SrgridError(f"{path}: cannot be read ({getattr(error, 'strerror', error)})") from None


def from_pil(image: Image.Image, what: str = "image") -> Array:
    """A PIL image as `read` would give it: the same samples, the same refusals, turned by its EXIF orientation.

    The depth of an image that Pillow has already cut to 8 bits cannot be told any more: only that of a file that it has
    not loaded yet, or of a mode that holds more.
    """
    pixels, alpha = colour_and_alpha(image, what)
    if alpha is not None:
        raise SrgridError(f"{what}: has transparent pixels; flatten it onto a background first")
    return pixels


def colour_and_alpha(image: Image.Image, what: str) -> tuple[Array, Array | None]:
    """As `from_pil`, and the alpha channel, H x W, unless it is opaque everywhere."""
    _refuse_depth(image, what)
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":  # the other pictures of a phone's are previews
        raise SrgridError(f"{what}: holds several images; split it into one file each")
    image.load()
    if image.getexif().get(_ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
    colour, alpha = _to_grey_or_rgb(image, what)
    return _array(colour), None if alpha is None else _array(alpha)


def _array(image: Image.Image) -> Array:
    return np.ascontiguousarray(image, dtype=np.uint8)


def _refuse_depth(image: Image.Image, what: str) -> None:
    deep = f"{what}: more than 8 bits a sample; convert it to 8 bits first (srgrid never rounds images)"
    if image.mode.startswith(("I", "F")):
        raise SrgridError(deep)
    bits, most = _depth(image)
    if most > 255 or bits > 8:
        raise SrgridError(deep)
    if 255 % most:
        raise SrgridError(f"{what}: samples of 0..{most} are no exact 8-bit values; convert it to 8 bits first")


def _depth(image: Any) -> tuple[int, int]:
    """Bits a sample, and the value that stands for white, by the file's own header; (8, 255) where all is known."""
    bits, most = 8, 255
    in_file = getattr(image, "tile", None) and getattr(image, "fp", None) is not None  # not loaded yet
    if image.format == "TIFF":
        whole = set(image.tag_v2.get(_SAMPLE_FORMAT, (1,))) <= {1, 4}  # not signed, not float
        bits = max(image.tag_v2.get(_BITS_PER_SAMPLE, (1,))) if whole else 32
    elif in_file and image.format == "PNG":
        bits = _at(image, 24)
    elif in_file and image.format == "BMP":
        most = 31 if _at(image, 24 if _at(image, 14) == _OLD_BMP else 28) == 16 else 255
    elif in_file and image.format == "PPM":
        arguments = image.tile[0][3]
        most = arguments[1] if isinstance(arguments, tuple) else 255
    return bits, most


def _at(image: Any, offset: int) -> int:
    """The byte at an offset of an image's file."""
    here = image.fp.tell()
    image.fp.seek(offset)
    found = image.fp.read(1)
    image.fp.seek(here)
    return int(found[0])


def _to_grey_or_rgb(image: Image.Image, what: str) -> tuple[Image.Image, Image.Image | None]:
    if getattr(image, "tag_v2", {}).get(_SAMPLES_PER_PIXEL, 0) > len(image.getbands()):
        raise SrgridError(f"{what}: holds a channel beside its colours; remove it first")
    if image.mode in ("1", "L", "RGB") and "transparency" not in image.info:
        return image.convert("L") if image.mode == "1" else image, None
    if image.mode in ("1", "L", "RGB", "P", "LA", "PA", "RGBA"):
        rgba = image.convert("RGBA")
        alpha = rgba.getchannel("A")
        grey = image.mode in ("1", "L", "LA") or (image.mode in ("P", "PA") and _all_grey(rgba))
        colour = rgba.convert("RGB").convert("L") if grey else rgba.convert("RGB")
        return colour, alpha if alpha.getextrema() != (255, 255) else None
    raise SrgridError(f"{what}: colour space {image.mode} is not supported; convert it to 8-bit grey or RGB first")


def _all_grey(image: Image.Image) -> bool:
    red, green, blue = (image.getchannel(channel).tobytes() for channel in "RGB")
    return red == green == blue


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
        Image.fromarray(image).save(staged, format="PNG", **PNG)


def store(path: Path, samples: npt.NDArray[Any]) -> None:
    """Write a uint8 array as `write` does, or, under a name that ends with .npy, float32 values as they are."""
    if path.suffix.lower() != ".npy":
        write(path, samples)
        return
    content = io.BytesIO()  # np.save to a file itself does not say why it failed
    np.save(content, samples.astype(np.float32), allow_pickle=False)
    with staged_file(path) as staged:
        staged.write_bytes(content.getbuffer())


def list_images(folder: str | os.PathLike[str], passed: dict[str, str] | None = None) -> list[Path]:
    """The image files directly in `folder`, sorted by name; hidden files and files of other kinds are passed over.

    Raises SrgridError if there are none, or for what would be left out in silence: images in formats that are not
    read, in subfolders, or under names that a run cannot work with (`srgrid.names`); with `passed`, it takes these
    down instead, by name, with the reason.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise SrgridError(f"{folder}: there is no such folder")
    try:
        entries = sorted(folder.iterdir())
        faults = {entry.name: why for entry in entries if (why := fault(entry))}
    except OSError as error:
        raise SrgridError(f"{error.filename or folder}: cannot be read ({error.strerror})") from None
    if passed is not None:
        passed |= faults
    elif faults:
        listed = some([f"{printable(name)} ({why})" for name, why in faults.items()])
        raise SrgridError(f"{folder}: would be left out: {listed}; convert, rename or move them")
    found = [entry for entry in entries if taken(entry) and entry.name not in faults]
    if not found:
        raise SrgridError(f"{folder}: holds no images ({', '.join(sorted(EXTENSIONS))})")
    return found


def check_all(files: Iterable[Path]) -> None:
    """Read every file. Raises one SrgridError that lists all that cannot be read as images."""
    bad = []
    for file in files:
        try:
            read(file)
        except SrgridError as error:
            bad.append(str(error))
    if bad:
        refuse(bad)


def refuse(bad: list[str]) -> NoReturn:
    """Raise one SrgridError of several messages, each of an image."""
    raise SrgridError("\n  ".join([f"{len(bad)} images cannot be used:", *bad]) if len(bad) > 1 else bad[0])


def by_stem(files: list[Path]) -> dict[str, Path]:
    """Files keyed by their images' names (`srgrid.names.stem`). Raises SrgridError if two share one."""
    keyed: dict[str, Path] = {}
    for file in files:
        name = stem(file)
        if name in keyed:
            raise SrgridError(f"{file}: {keyed[name].name} has the same name; remove one of the two")
        keyed[name] = file
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
        return np.array(np.load(path, mmap_mode="r", allow_pickle=False))  # a map fails where the header asks for more
    # numpy parses the header as Python text: what its tokenizer, parser and dtype can raise, too.
    except (OSError, ValueError, EOFError, TokenError, SyntaxError, TypeError, KeyError, OverflowError) as error:
        raise SrgridError(f"{path}: unreadable array ({error}); make the file again") from None
