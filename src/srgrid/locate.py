"""What a name, a path or a hub id stands for, and which files that is. No tensor is read and no torch imported."""

from __future__ import annotations

import json
import os
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from srgrid.errors import SrgridError
from srgrid.networks import MODELS

HEADER = "srgrid"
"""The metadata key of a safetensors file under which srgrid's header lies."""

SAVED, SAVED_CONFIG = "model.safetensors", "config.json"

# A name that ends so means a file, even if it is not there.
_SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".tar")
_LARGEST_HEADER = 1 << 20


@dataclass(frozen=True)
class Place:
    """Where a model's weights lie.

    kind: one weights file; a folder that `save_pretrained` made; or a repository of the hub, whose `files` are not
    here. files: what is read of it, the weights first.
    """

    given: str
    kind: Literal["file", "folder", "hub"]
    files: tuple[Path, ...] = ()


def locate(given: str | Path, scale: int | None = None) -> Place:
    """The place of a model given by name (`srgrid.networks.names`), weights file, folder or hub id.

    A folder holds model.safetensors (and config.json), or super-image's `pytorch_model_<scale>x.pt`. scale: needed for
    names and for folders and ids with a file for each; None means 4, or the only one that is there.
    Raises SrgridError if it is none of these, or the folder or the named model has no weights at that scale. Whether
    a file that is given by its path exists is found out by who reads it.
    """
    path, name = Path(given), str(given)
    if name in MODELS:
        return Place(name, "file", (named_weights(name, scale or 4),))
    if path.is_dir():
        return _in_folder(path, scale)
    if path.exists() or path.suffix in _SUFFIXES:
        return Place(name, "file", (path,))
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return Place(name, "hub")
    raise SrgridError(f"model {name!r}: neither a known name ({', '.join(MODELS)}) nor a file, folder or hub id")


def named_weights(name: str, scale: int) -> Path:
    """The weights file of a named model: `<name>_x<scale>.safetensors`. Raises SrgridError if there is none."""
    file = folder() / f"{name}_x{scale}.safetensors"
    if not file.is_file():
        raise SrgridError(f"model {name!r}: no weights for scale {scale} ({file}); train it, or set SRGRID_MODELS")
    return file


def folder() -> Path:
    """Where named weights are looked up: $SRGRID_MODELS, else `models/` of the checkout, else of the installation."""
    if given := os.environ.get("SRGRID_MODELS"):
        return Path(given)
    checkout = Path(__file__).parents[2]
    if (checkout / "pyproject.toml").is_file():
        return checkout / "models"
    return Path(sysconfig.get_path("data")) / "share/srgrid/models"


def super_images(scale: int) -> str:
    """The name that super-image gives the weights of a scale."""
    return f"pytorch_model_{scale}x.pt"


def header(file: Path) -> dict[str, Any] | None:
    """The header of srgrid's own weights, unchecked; None of any other file."""
    if file.suffix != ".safetensors" or not file.is_file():
        return None
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        head = stream.read(min(length, _LARGEST_HEADER))
    try:
        found = json.loads(json.loads(head)["__metadata__"][HEADER])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _in_folder(path: Path, scale: int | None) -> Place:
    if (path / SAVED).is_file():
        config = path / SAVED_CONFIG
        return Place(str(path), "folder", (path / SAVED, config) if config.is_file() else (path / SAVED,))
    found = sorted(path.glob(super_images(0).replace("0", "?")))
    file = found[0] if scale is None and len(found) == 1 else path / super_images(scale or 4)
    if not file.is_file():
        raise SrgridError(f"{path}: holds neither {SAVED} nor {file.name}; give a weights file")
    return Place(str(path), "file", (file,))
