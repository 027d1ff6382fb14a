"""Files and folders that appear whole or not at all, and the manifests of made folders."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from srgrid.errors import SrgridError

MANIFEST = "manifest.json"


def write_manifest(folder: Path, made_by: dict[str, Any], files: dict[str, dict[str, Any]]) -> None:
    """Write manifest.json: what made the folder, and each file's entry (of images: `srgrid.images.describe`)."""
    with staged_file(folder / MANIFEST) as staged:
        staged.write_text(json.dumps({"made_by": made_by, "files": files}, indent=1, sort_keys=True) + "\n")


def read_manifest(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a folder's manifest.json. Raises SrgridError if it is missing or torn."""
    file = Path(folder) / MANIFEST
    try:
        manifest = json.loads(file.read_text())
        manifest["made_by"], manifest["files"]
    except (OSError, ValueError, KeyError, TypeError):
        raise SrgridError(f"{file}: missing or damaged manifest; delete the folder and make it again") from None
    return dict(manifest)


@contextmanager
def staged_file(out: Path) -> Iterator[Path]:
    """A temporary sibling of `out` that is renamed to it on success and removed on failure."""
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.", suffix=out.suffix)
    os.close(handle)
    staged = Path(name)
    try:
        yield staged
        umask = os.umask(0)
        os.umask(umask)
        staged.chmod(0o666 & ~umask)
        staged.replace(out)
    finally:
        staged.unlink(missing_ok=True)


@contextmanager
def staged_dir(out: Path) -> Iterator[Path]:
    """A temporary sibling folder that takes the place of `out` on success and vanishes on failure.

    Raises SrgridError if `out` is a file, or a folder that holds files but no manifest: it is not ours to replace.
    """
    out = Path(out)
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / MANIFEST).exists()):
        raise SrgridError(f"{out}: exists and was not made by srgrid; choose another folder or remove it")
    out.parent.mkdir(parents=True, exist_ok=True)
    room = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    staged = room / "new"
    staged.mkdir()
    try:
        yield staged
        if out.exists():
            out.rename(room / "old")
        staged.rename(out)
    finally:
        shutil.rmtree(room, ignore_errors=True)
