"""Names of image files: which are taken, which are left out, and what names a run can work with."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from srgrid.errors import SrgridError

EXTENSIONS = frozenset(
    [".png", ".bmp", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm"]
)  # what srgrid.images reads
# fmt: off
_OTHER_EXTENSIONS = frozenset({
    ".gif", ".apng", ".jp2", ".j2k", ".j2c", ".jpx", ".jpf", ".jxl", ".avif", ".avifs", ".heic", ".heif",
    ".tga", ".dib", ".pfm", ".exr", ".hdr", ".psd", ".xcf", ".svg", ".eps", ".ico", ".icns", ".pcx", ".qoi",
    ".sgi", ".dds", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf",
})
# fmt: on
_SIGNATURES = (
    (0, b"\x89PNG", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"GIF8", "GIF"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (8, b"WEBP", "WebP"),
    (4, b"jP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (4, b"JXL ", "JPEG XL"),
    (4, b"ftypavi", "AVIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftypmif1", "HEIF"),
    (0, b"8BPS", "Photoshop"),
    (0, b"%!PS", "PostScript"),
)
_HEAD = 16  # bytes that the signatures lie in
_LONGEST = 240  # bytes of a name; the file system allows 255, and files being written have longer ones
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]*")
_FORMULA = ("=", "+", "-", "@")


def is_name(text: str) -> bool:
    """Whether a data set or method can be called so, in a config, in tables and as part of a file's name."""
    return bool(_NAME.fullmatch(text))


def stem(file: Path) -> str:
    """An image's name: its file's without extension, in Unicode's composed form (NFC), as other systems write it."""
    return unicodedata.normalize("NFC", file.stem)


def kind_of(data: bytes) -> str:
    """The image format that a file's first bytes announce; empty for none that is known."""
    return next((kind for at, mark, kind in _SIGNATURES if data[at : at + len(mark)] == mark), "")


def check_for_tables(stems: Iterable[str], where: str | Path) -> None:
    """Raise SrgridError for image names that a spreadsheet would run as formulas: they stand in CSV files."""
    bad = [name for name in stems if name.startswith(_FORMULA)]
    if bad:
        raise SrgridError(
            f"{where}: {some(bad)}: a name in a table must not begin with {' '.join(_FORMULA)} "
            "(spreadsheets run it as a formula); rename the files"
        )


def some(names: list[str]) -> str:
    """The first of many names, printable."""
    shown = ", ".join(map(printable, names[:5]))
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def printable(name: str) -> str:
    """A name as a message can hold it: what is not UTF-8 or not printable is escaped."""
    return name if name.isprintable() else ascii(name)[1:-1]


def taken(file: Path) -> bool:
    """Whether a folder's entry is meant as an image that is read: by its extension, hidden ones aside."""
    return file.suffix.lower() in EXTENSIONS and not file.name.startswith(".")


def fault(entry: Path) -> str:
    """What keeps a folder's entry from being taken as the image it is; empty for a good image and for no image."""
    if entry.name.startswith("."):
        return ""
    if entry.is_dir():
        return "a subfolder that holds images" if _holds_images(entry) else ""
    if taken(entry):
        return _bad_name(entry.name) or ("" if entry.is_file() else "not a file that can be read")
    return left_out(entry)


def left_out(file: Path) -> str:
    """Why a file that is an image, by extension or content, is not read; empty if it is no image."""
    if file.suffix.lower() in _OTHER_EXTENSIONS:
        return f"{file.suffix.lower()[1:]} images are not read"
    if file.suffix.lower() in EXTENSIONS or not file.is_file():
        return ""
    with file.open("rb") as opened:
        kind = kind_of(opened.read(_HEAD))
    return f"a {kind} image without its extension" if kind else ""


def _holds_images(folder: Path) -> bool:
    inside = (file for file in folder.rglob("*") if not any(p.startswith(".") for p in file.relative_to(folder).parts))
    return any(file.suffix.lower() in EXTENSIONS | _OTHER_EXTENSIONS for file in inside)


def _bad_name(name: str) -> str:
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if any(unicodedata.category(char) == "Cc" for char in name):
        return "its name holds a control character, such as a line break"
    return f"its name has {size} bytes, more than {_LONGEST}" if size > _LONGEST else ""
