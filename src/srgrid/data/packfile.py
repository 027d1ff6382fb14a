"""The files of packs: a head, guarded by its digest, and after it samples to be mapped into memory.

Layout: 8 bytes that name the kind, the manifest's length (8 bytes, little endian), its sha256 (32 bytes), the manifest
(JSON, padded with spaces so that all of this is a multiple of 64 bytes), then the samples, uint8.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from srgrid.errors import SrgridError
from srgrid.files import staged_file

Array = npt.NDArray[np.uint8]

LARGEST = 10**15  # stands for every number of a manifest that is not known before the samples are written
_MAGIC = 8
_START = _MAGIC + 8 + 32
_ALIGN = 64
_OLD_MAGIC = b"SRPACK1\n"  # had no digest of the manifest: another name or size passed unseen


def write(out: Path, magic: bytes, outline: Mapping[str, Any], fill: Callable[[IO[bytes]], dict[str, Any]]) -> None:
    """Write a pack's file, atomically and in one pass. `fill` writes the samples and returns the manifest.

    outline: a manifest at least as long as text as the one that `fill` returns; that much room is left for it.
    """
    length = len(_text(outline))
    length += -(_START + length) % _ALIGN
    with staged_file(out) as staged, staged.open("wb") as target:
        target.seek(_START + length)
        text = _text(fill(target)).ljust(length)
        target.seek(0)
        target.write(magic + struct.pack("<Q", len(text)) + hashlib.sha256(text).digest() + text)


def _text(manifest: Mapping[str, Any]) -> bytes:
    return json.dumps(manifest, sort_keys=True).encode()


def read_head(path: Path, magics: tuple[bytes, ...], what: str, how: str) -> tuple[bytes, dict[str, Any], int]:
    """The kind of a pack's file, its manifest, and where its samples begin.

    what, how: for messages, what the file should be and the command that makes one. Raises SrgridError if it is
    missing, another kind of file, or torn.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_START)
            magic = start[:_MAGIC]
            if magic == _OLD_MAGIC:
                raise SrgridError(f"{path}: a {what} of an earlier version; delete it and pack it again")
            if magic not in magics or len(start) != _START:
                raise SrgridError(f"{path}: not a {what}; make one with `{how}`")
            (length,) = struct.unpack("<Q", start[_MAGIC : _MAGIC + 8])
            text = file.read(length) if length <= path.stat().st_size else b""
            if hashlib.sha256(text).digest() != start[-32:]:
                raise SrgridError(f"{path}: torn {what} (wrong digest of its head); delete it and pack it again")
            return magic, dict(json.loads(text)), _START + length
    except OSError as error:
        raise SrgridError(f"{path}: no readable {what} ({error.strerror}); make one with `{how}`") from None
    except (ValueError, TypeError, RecursionError):
        raise SrgridError(f"{path}: torn {what}; pack it again") from None


def map_samples(path: Path, start: int, size: int, what: str) -> Array:
    """The samples of a pack's file, read-only. Raises SrgridError unless they fill it exactly."""
    held = path.stat().st_size
    if held != start + size:
        raise SrgridError(f"{path}: torn {what} ({held} bytes, not {start + size}); pack it again")
    return np.memmap(path, np.uint8, "r", offset=start, shape=(size,))


def damaged(path: Path, what: str) -> SrgridError:
    """The error of a head that makes no sense."""
    return SrgridError(f"{path}: damaged {what} (its head makes no sense); delete it and pack it again")


def are_counts(*values: object) -> bool:
    """Whether values are whole numbers from 0 on."""
    return all(type(value) is int and value >= 0 for value in values)
