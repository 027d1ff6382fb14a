"""Unpack the images of an archive, trusting nothing in it."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO, Any, Self

from srgrid import images
from srgrid.errors import SrgridError

CHUNK = 1 << 20
HEADER = 1 << 15  # bytes before an entry's own: names, times, extended attributes
NAME = 240  # bytes in one part of a path; file systems take 255
DEPTH = 32
SIP = 1 << 12  # zipfile expands at once what it reads of LZMA, 7000 times its size
PACKED: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
Read = Callable[[int], bytes]
Entry = tuple[str, int, Read]  # name, size in bytes, reader of at most so many bytes


class ArchiveError(SrgridError):
    """An archive that is damaged, is something else, or holds what it should not."""


@dataclass(frozen=True)
class Limits:
    """What an archive may hold: entries, bytes in all, bytes in one image. DIV2K has 800 images and 3.5 GB."""

    entries: int = 50_000
    total: int = 32 << 30
    one: int = 1 << 30


def extract(archive: Path, folder: Path, members: tuple[str, ...] = (), limits: Limits | None = None) -> list[Path]:
    """Unpack the images of a .zip or .tar[.gz|.bz2|.xz] that match `members` (shell patterns; empty: all) to `folder`.

    Only regular files with an image's extension are written, under their own relative paths. Raises ArchiveError if
    the archive is damaged or of another kind, holds none of them, exceeds `limits`, or has any entry that is a link or
    device, points outside or has a name that not every file system takes; SrgridError if a file cannot be written.
    """
    limits = limits or Limits()
    written: list[Path] = []
    seen: set[str] = set()
    total = 0
    for count, (name, size, read) in enumerate(_each(archive, limits), start=1):
        total += size
        if count > limits.entries or total > limits.total or not 0 <= size <= limits.one:
            raise ArchiveError(f"{archive.name}: more or larger files than any benchmark archive has; not unpacked")
        path = _safe(name, archive)
        if not _wanted(path, members):
            continue
        _check_name(path, archive)
        key = unicodedata.normalize("NFC", str(path)).casefold()
        if key in seen:
            raise ArchiveError(f"{archive.name}: holds {name} twice; not unpacked")
        seen.add(key)
        target = folder / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(read, target, size, archive)
        except OSError as error:
            raise SrgridError(f"{target}: cannot be written ({error.strerror or error})") from None
        written.append(target)
    if not written:
        raise ArchiveError(f"{archive.name}: holds no images {' or '.join(members)}".rstrip())
    return written


@contextmanager
def _reading(archive: Path) -> Iterator[None]:
    """Whatever goes wrong while an archive is read is the archive's fault.

    Damaged bytes make zipfile, tarfile and the decompressors raise nearly anything: errors of their own, OSError,
    EOFError, ValueError, KeyError, struct.error, UnicodeError, OverflowError, RecursionError, MemoryError.
    """
    try:
        yield
    except SrgridError:
        raise
    except Exception as error:
        text = str(error).encode("ascii", "backslashreplace").decode()[:200]
        raise ArchiveError(f"{archive.name}: damaged archive ({text or type(error).__name__})") from None


def _each(archive: Path, limits: Limits) -> Iterator[Entry]:
    """Name, size and reader of each regular file, in the archive's order; folders are passed over.

    Raises ArchiveError alone, and does so at the end at the latest if what was read is not what was packed.
    """
    with _reading(archive):
        entries = _entries(archive, limits)
    while True:
        with _reading(archive):
            entry = next(entries, None)
        if entry is None:
            return
        yield entry


def _entries(archive: Path, limits: Limits) -> Iterator[Entry]:
    with archive.open("rb") as file:
        start = file.read(tarfile.BLOCKSIZE)
    opener = next((PACKED[magic] for magic in PACKED if start.startswith(magic)), open if _is_header(start) else None)
    if opener is not None:
        with opener(archive, "rb") as plain:
            yield from _tar_entries(archive, plain, limits)
    elif zipfile.is_zipfile(archive):
        yield from _zip_entries(archive)
    else:
        raise ArchiveError(f"{archive.name}: neither a zip nor a tar archive; it begins with {start[:60]!r}")


def _is_header(block: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _zip_entries(archive: Path) -> Iterator[Entry]:
    with zipfile.ZipFile(archive) as pack:
        for info in pack.infolist():
            kind = info.external_attr >> 16 & 0o170000  # Unix file type; 0 where the packer was not on Unix
            if info.is_dir():
                _safe(info.filename, archive)
            elif kind not in (0, 0o100000):
                raise ArchiveError(f"{archive.name}: {info.filename!r} is a link or device; not unpacked")
            else:
                with _unzipped(pack, info) as stream:
                    yield info.filename, info.file_size, _in_sips(stream, info.compress_type)


def _in_sips(stream: IO[bytes], method: int) -> Read:
    most = SIP if method == zipfile.ZIP_LZMA else CHUNK
    return lambda size: stream.read(min(size, most))


def _unzipped(pack: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    """A zip entry's content. zipfile expands at once what it reads of bzip2 (a million times its size): not by it."""
    if info.compress_type != zipfile.ZIP_BZIP2:
        return pack.open(info)
    raw = copy(info)
    raw.compress_type, raw.file_size = zipfile.ZIP_STORED, raw.compress_size
    del raw.CRC  # of the content; bzip2 has its own
    return bz2.open(pack.open(raw))


class _Header(tarfile.TarInfo):
    """A tar entry. tarfile takes a damaged header for the archive's end, and a negative size for "all there is"."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            made = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if any(buf):
                raise ValueError(f"an entry's header: {error}") from None
            raise
        if made.size < 0:
            raise ValueError("an entry of negative size")
        return made


class _Guarded:
    """A tar's plain bytes. tarfile takes names and attributes of any length; of these it gets `left` bytes at most."""

    def __init__(self, plain: IO[bytes], archive: Path) -> None:
        self._plain, self._archive, self.left = plain, archive, HEADER

    def read(self, size: int) -> bytes:
        self.left -= size
        if size < 0 or self.left < 0:
            raise ArchiveError(f"{self._archive.name}: has an entry without end before its content; not unpacked")
        return self._plain.read(size)

    def seek(self, offset: int) -> int:
        return self._plain.seek(offset)

    def tell(self) -> int:
        return self._plain.tell()


def _tar_entries(archive: Path, plain: IO[bytes], limits: Limits) -> Iterator[Entry]:
    guarded: Any = _Guarded(plain, archive)
    with tarfile.open(fileobj=guarded, mode="r:", tarinfo=_Header) as pack:
        while info := pack.next():
            pack.members = []  # type: ignore[attr-defined]  # else tarfile keeps all that it has seen
            if info.isdir():
                _safe(info.name, archive)
            elif not info.isreg() or info.sparse is not None:
                raise ArchiveError(f"{archive.name}: {info.name!r} is a link or device, or has holes; not unpacked")
            else:
                stream = pack.extractfile(info)
                assert stream is not None  # a regular file has one
                guarded.left = info.size + CHUNK
                yield info.name, info.size, stream.read
            guarded.left = HEADER
    rest = 0
    while chunk := plain.read(CHUNK):  # to the end: there gzip, bzip2 and xz compare their checksums
        rest += len(chunk)
        if rest > limits.total:
            raise ArchiveError(f"{archive.name}: does not end; not unpacked")


def _safe(name: str, archive: Path) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or any(bad in name for bad in ("\\", ":", "\0")):
        raise ArchiveError(f"{archive.name}: {name!r} points outside the archive; not unpacked")
    return path


def _check_name(path: PurePosixPath, archive: Path) -> None:
    """Names that not every file system or text file takes are refused: too long, not text, control characters."""
    long = any(len(part.encode("utf-8", "surrogateescape")) > NAME for part in path.parts)
    if long or len(path.parts) > DEPTH:
        raise ArchiveError(f"{archive.name}: {str(path)[:60]!r}... is too long a name; not unpacked")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in str(path)):
        raise ArchiveError(f"{archive.name}: {str(path)!r} is a name that is not plain text; not unpacked")


def _wanted(path: PurePosixPath, members: tuple[str, ...]) -> bool:
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    image = path.suffix.lower() in images.EXTENSIONS
    return image and not hidden and (not members or any(fnmatchcase(str(path), pattern) for pattern in members))


def _copy(read: Read, target: Path, size: int, archive: Path) -> None:
    """Copy one image; never more than its entry declares."""
    left = size
    with target.open("xb") as file:
        while left > 0:
            with _reading(archive):
                chunk = read(min(CHUNK, left))
            if not chunk:
                raise ArchiveError(f"{archive.name}: {target.name} is truncated; damaged archive")
            file.write(chunk)
            left -= len(chunk)
        with _reading(archive):
            more = read(1)  # also makes zipfile compare the checksum
        if more:
            raise ArchiveError(f"{archive.name}: {target.name} is longer than declared; not unpacked")
