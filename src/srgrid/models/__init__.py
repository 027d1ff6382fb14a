"""Models: the networks, their named sizes, and their weights files.

>>> import srgrid.models
>>> big = srgrid.models.load("rcan-bam-s", scale=4).upscale(image)  # a PIL image or a uint8 array
"""

from __future__ import annotations

import os
import sysconfig
from dataclasses import asdict
from pathlib import Path
from typing import Any

from srgrid.errors import SrgridError
from srgrid.models import foreign, weights
from srgrid.models.rcan import Rcan, RcanConfig
from srgrid.models.registry import MODELS, build, names

__all__ = ["MODELS", "Rcan", "RcanConfig", "build", "describe", "find", "load", "names", "weights"]


def folder() -> Path:
    """Where named weights are looked up: $SRGRID_MODELS, else `models/` of the checkout, else of the installation."""
    if given := os.environ.get("SRGRID_MODELS"):
        return Path(given)
    checkout = Path(__file__).parents[3]
    if (checkout / "pyproject.toml").is_file():
        return checkout / "models"
    return Path(sysconfig.get_path("data")) / "share/srgrid/models"


def find(name: str, scale: int) -> Path:
    """The weights file of a named model: `<name>_x<scale>.safetensors`. Raises SrgridError if there is none."""
    file = folder() / f"{name}_x{scale}.safetensors"
    if not file.is_file():
        raise SrgridError(f"model {name!r}: no weights for scale {scale} ({file}); train it, or set SRGRID_MODELS")
    return file


def load(name_or_path: str | Path, scale: int = 4) -> Rcan:
    """A model ready for inference.

    `name_or_path` is a name (`names()`), a weights file (.safetensors), another project's checkpoint (.pt, .pth), a
    local folder or a hub id. A folder holds `model.safetensors` + `config.json`, or super-image's
    `pytorch_model_<scale>x.pt`.
    Raises SrgridError if there is no such model, or it was built for another scale.
    """
    if name_or_path in MODELS:
        return weights.load(find(str(name_or_path), scale), scale)
    path = Path(name_or_path)
    if path.suffix in (".pt", ".pth"):
        return foreign.load(path, scale)
    if path.is_file() or path.suffix == ".safetensors":
        return weights.load(path, scale)
    if path.is_dir():
        return _from_folder(path, scale)
    if str(name_or_path).count("/") == 1 and not str(name_or_path).startswith((".", "/", "~")):
        return _from_hub(str(name_or_path), scale)
    raise SrgridError(
        f"model {str(name_or_path)!r}: neither a known name ({', '.join(MODELS)}) nor a file, folder or hub id"
    )


def describe(path: str | Path) -> dict[str, Any]:
    """What a weights file or another project's checkpoint is: architecture, name, config, parameters, provenance.

    Raises SrgridError as `load` does.
    """
    path = Path(path)
    model = foreign.load(path) if path.suffix in (".pt", ".pth") else weights.load(path)
    count = sum(tensor.numel() for tensor in model.state_dict().values())
    return {
        "architecture": "rcan",
        "name": model.name,
        "config": asdict(model.config),
        "parameters": count,
        "provenance": model.provenance,
    }


def _from_folder(path: Path, scale: int) -> Rcan:
    other = path / f"pytorch_model_{scale}x.pt"
    if not (path / "model.safetensors").is_file() and other.is_file():
        return foreign.load(other, scale)
    return _checked(Rcan.from_pretrained(str(path)), str(path), scale)


def _from_hub(hub_id: str, scale: int) -> Rcan:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        try:
            hf_hub_download(hub_id, "model.safetensors")
        except EntryNotFoundError:
            return foreign.load(hf_hub_download(hub_id, f"pytorch_model_{scale}x.pt"), scale)
        return _checked(Rcan.from_pretrained(hub_id), hub_id, scale)
    except OSError as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SrgridError(
            f"model {hub_id!r}: no such local folder, and not to be had from the hub ({reason})"
        ) from None


def _checked(model: Rcan, source: str, scale: int) -> Rcan:
    if model.config.scale != scale:
        raise SrgridError(f"{source}: built for scale {model.config.scale}, not {scale}")
    return model
