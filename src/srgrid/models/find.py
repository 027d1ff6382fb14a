"""Where a model is: a name, a file, a folder, an entry or a hub id, told without reading a tensor or torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from srgrid.code import version
from srgrid.errors import SrgridError
from srgrid.installed import shared
from srgrid.models.entry import Entry
from srgrid.models.kinds import START, kind_of
from srgrid.models.record import WeightsRecord
from srgrid.networks import names

WEIGHTS, CONFIG = "model.safetensors", "config.json"
"""What a hub's repository calls them."""

# A name that ends so means a file, even if it is not there.
_SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".tar", ".onnx", ".pt2")


@dataclass(frozen=True)
class Located:
    """What a text that means a model turned out to be."""

    source: str  # as it was given
    kind: Literal["name", "file", "folder", "hub", "entry"]
    file: Path | None  # the weights, or an entry's code; None of a hub id, whose files are fetched when it is loaded
    config: Path | None = None  # config.json beside them, if there is one
    entry: Entry | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """All that the model is read from."""
        if self.entry:
            return self.entry.files()
        return tuple(file for file in (self.file, self.config) if file is not None)

    @property
    def shown(self) -> str:
        """What a manifest calls it: no folders, which differ from machine to machine."""
        return self.entry.name if self.entry else Path(self.source).name

    @property
    def reader(self) -> str:
        """The package, with its version, that reads the file in our stead or may have to; empty if none does.

        Another version of it may make another network of the same file.
        """
        if self.file is None or self.entry or self.record():
            return ""
        with self.file.open("rb") as file:
            package = "onnxruntime" if kind_of(file.read(START)) == "onnx" else "spandrel"
        return f"{package} {version(package)}"

    def record(self) -> WeightsRecord | None:
        """What the file says of itself, if it is one of srgrid's own; read anew each time.

        Raises SrgridError if its header is damaged.
        """
        return None if self.file is None or self.entry else WeightsRecord.of_file(self.file)

    def scale(self) -> int | None:
        """The scale that the file was made for, if it is one of srgrid's own."""
        record = self.record()
        return None if record is None else int(record.config.scale)


def folder() -> Path:
    """Where named weights are looked up: $SRGRID_MODELS, else `models/` of the checkout, else of the installation."""
    if given := os.environ.get("SRGRID_MODELS"):
        return Path(given)
    return shared() / "models"


def locate(source: str | Path, scale: int | None = None) -> Located:
    """Which files a model is read from. Looks at names of files alone; nothing is fetched.

    source: a name (`srgrid.networks.names()`), a weights file of ours or of another project, an ONNX or a TorchScript
    file, a local folder with `model.safetensors`, `model_x<scale>.safetensors` or super-image's
    `pytorch_model_<scale>x.pt`, a Python entry (`srgrid.models.entry`), or a hub id.
    scale: which file is meant, of a name or of super-image's folder (4 if it is not said).
    Raises SrgridError if it is none of these, or there is no such file.
    """
    path, name = Path(source), str(source)
    if name in names():
        file = folder() / f"{name}_x{scale or 4}.safetensors"
        if not file.is_file():
            hint = "train it, or set SRGRID_MODELS"
            raise SrgridError(f"model {name!r}: no weights for scale {scale or 4} ({file}); {hint}")
        return Located(name, "name", file)
    if path.is_dir():
        return _in_folder(path, scale)
    if path.exists():
        return Located(name, "file", path)
    if entry := Entry.of(name):
        return Located(name, "entry", entry.files()[0], entry=entry)
    if path.suffix in _SUFFIXES:
        raise SrgridError(f"{path}: there is no such weights file")
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return Located(name, "hub", None)
    known = ", ".join(names())
    raise SrgridError(f"model {name!r}: neither a known name ({known}) nor a file, folder, Python entry or hub id")


def of_scale(scale: int) -> str:
    """The name of super-image's checkpoint of a scale."""
    return f"pytorch_model_{scale}x.pt"


def weights_of(scale: int) -> str:
    """The name of a scale's weights where a repository holds those of several."""
    return f"model_x{scale}.safetensors"


def _in_folder(path: Path, scale: int | None) -> Located:
    if (path / WEIGHTS).is_file():
        config = path / CONFIG
        return Located(str(path), "folder", path / WEIGHTS, config if config.is_file() else None)
    if (own := path / weights_of(scale or 4)).is_file():
        return Located(str(path), "folder", own)
    found = sorted(path.glob("pytorch_model_?x.pt"))
    file = found[0] if scale is None and len(found) == 1 else path / of_scale(scale or 4)
    if not file.is_file():
        raise SrgridError(f"{path}: holds neither {WEIGHTS} nor {file.name}; give a weights file")
    return Located(str(path), "folder", file)
