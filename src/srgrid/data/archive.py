"""Unpack the images of an archive, trusting nothing in it."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO

from srgrid import images
from srgrid.errors import SrgridError

CHUNK = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What an archive may hold: entries, bytes in all, bytes in one image. DIV2K has 800 images and 3.5 GB."""

    entries: int = 50_000
    total: int = 32 << 30
    one: int = 1 << 30


def extract(archive: Path, folder: Path, members: tuple[str, ...] = (), limits: Limits | None = None) -> list[Path]:
    """Unpack the images of a .zip or .tar[.gz|.bz2|.xz] that match `members` (shell patterns; empty: all) to `folder`.

    Only regular files with an image's extension are written, under their own relative paths. Raises SrgridError if
    the archive is damaged or of another kind, holds none of them, exceeds `limits`, or has any entry that is a link or
    device or points outside.
    """
    limits = limits or Limits()
    written: list[Path] = []
    seen: set[str] = set()
    total = 0
    try:
        for count, (name, size, stream) in enumerate(_entries(archive), start=1):
            total += size
            if count > limits.entries or total > limits.total or size > limits.one:
                raise SrgridError(f"{archive.name}: more or larger files than any benchmark archive has; not unpacked")
            path = _safe(name, archive)
            if not _wanted(path, members):
                continue
            if str(path).casefold() in seen:
                raise SrgridError(f"{archive.name}: holds {name} twice; not unpacked")
            seen.add(str(path).casefold())
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(stream, target, size, archive)
            written.append(target)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise SrgridError(f"{archive.name}: damaged archive ({error})") from None
    if not written:
        raise SrgridError(f"{archive.name}: holds no images {' or '.join(members)}".rstrip())
    return written


def _entries(archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Name, size and open stream of each regular file, in the archive's order; folders are passed over."""
    if zipfile.is_zipfile(archive):
        yield from _zip_entries(archive)
    elif _is_tar(archive):
        yield from _tar_entries(archive)
    else:
        start = archive.read_bytes()[:60] if archive.stat().st_size < CHUNK else b""
        raise SrgridError(f"{archive.name}: neither a zip nor a tar archive; it begins with {start!r}")


def _is_tar(archive: Path) -> bool:
    try:
        return tarfile.is_tarfile(archive)
    except (EOFError, zlib.error):
        return False


def _zip_entries(archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    with zipfile.ZipFile(archive) as pack:
        for info in pack.infolist():
            kind = info.external_attr >> 16 & 0o170000  # Unix file type; 0 where the packer was not on Unix
            if info.is_dir():
                _safe(info.filename, archive)
            elif kind not in (0, 0o100000):
                raise SrgridError(f"{archive.name}: {info.filename} is a link or device; not unpacked")
            else:
                with pack.open(info) as stream:
                    yield info.filename, info.file_size, stream


def _tar_entries(archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    with tarfile.open(archive) as pack:
        for info in pack:
            if info.isdir():
                _safe(info.name, archive)
            elif not info.isreg():
                raise SrgridError(f"{archive.name}: {info.name} is a link or device; not unpacked")
            else:
                stream = pack.extractfile(info)
                assert stream is not None  # a regular file has one
                yield info.name, info.size, stream


def _safe(name: str, archive: Path) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or any(bad in name for bad in ("\\", ":", "\0")):
        raise SrgridError(f"{archive.name}: {name!r} points outside the archive; not unpacked")
    return path


def _wanted(path: PurePosixPath, members: tuple[str, ...]) -> bool:
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    image = path.suffix.lower() in images.EXTENSIONS
    return image and not hidden and (not members or any(fnmatchcase(str(path), pattern) for pattern in members))


def _copy(stream: IO[bytes], target: Path, size: int, archive: Path) -> None:
    """Copy one image; never more than its entry declares."""
    left = size
    with target.open("xb") as file:
        while left > 0:
            chunk = stream.read(min(CHUNK, left))
            if not chunk:
                raise SrgridError(f"{archive.name}: {target.name} is truncated; damaged archive")
            file.write(chunk)
            left -= len(chunk)
        if stream.read(1):  # also makes zipfile compare the checksum
            raise SrgridError(f"{archive.name}: {target.name} is longer than declared; not unpacked")
