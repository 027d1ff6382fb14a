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
from srgrid.models import container, foreign, weights
from srgrid.models.rcan import Rcan
from srgrid.models.registry import build
from srgrid.networks import MODELS, RcanConfig, names

__all__ = ["MODELS", "Rcan", "RcanConfig", "build", "describe", "find", "load", "names", "weights"]


# A name that ends so means a file, even if it is not there.
_SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".tar")


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


def load(name_or_path: str | Path, scale: int = 4, rgb_range: float | None = None) -> Rcan:
    """A model ready for inference. Its `sha256` and `file` say which file it came from.

    `name_or_path` is a name (`names()`), a weights file of ours, another project's checkpoint, a local folder or a hub
    id. What a file is, its content decides. A folder holds `model.safetensors` (and `config.json`), or super-image's
    `pytorch_model_<scale>x.pt`.
    rgb_range: the range of inputs (1 or 255) that another project's network was trained on, where it is not told by the
    checkpoint. Our own files say theirs.
    Raises SrgridError if there is no such model, it was built for another scale, or its weights are not finite.
    """
    return _load(name_or_path, scale, rgb_range)


def describe(name_or_path: str | Path, scale: int | None = None, rgb_range: float | None = None) -> dict[str, Any]:
    """What a model is: architecture, name, config, parameters, provenance, and the sha256 of the file it came from.

    Takes what `load` takes; the scale is needed for names and hub ids alone. Raises SrgridError as `load` does.
    """
    model = _load(name_or_path, scale, rgb_range)
    count = sum(tensor.numel() for tensor in model.state_dict().values())
    return {
        "architecture": "rcan",
        "name": model.name,
        "config": asdict(model.config),
        "parameters": count,
        "provenance": model.provenance,
        "sha256": model.sha256,
    }


def _load(name_or_path: str | Path, scale: int | None, rgb_range: float | None) -> Rcan:
    path, name = Path(name_or_path), str(name_or_path)
    if name in MODELS:
        return _from_file(find(name, scale or 4), scale, rgb_range)
    if path.is_dir():
        return _from_folder(path, scale, rgb_range)
    if path.exists() or path.suffix in _SUFFIXES:
        return _from_file(path, scale, rgb_range)
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return _from_hub(name, scale or 4, rgb_range)
    raise SrgridError(f"model {name!r}: neither a known name ({', '.join(MODELS)}) nor a file, folder or hub id")


def _from_file(path: Path, scale: int | None, rgb_range: float | None) -> Rcan:
    content = container.read(path)
    if weights.HEADER not in content.metadata and foreign.known(content):
        return foreign.of_content(content, scale, rgb_range)
    return _agreeing(weights.of_content(content, scale), str(path), scale, rgb_range)


def _from_folder(path: Path, scale: int | None, rgb_range: float | None) -> Rcan:
    if (path / "model.safetensors").is_file():
        return _agreeing(_pretrained(str(path)), str(path), scale, rgb_range)
    found = sorted(path.glob("pytorch_model_?x.pt"))
    if scale is None and len(found) == 1:
        return foreign.load(found[0], None, rgb_range)
    file = path / f"pytorch_model_{scale or 4}x.pt"
    if not file.is_file():
        raise SrgridError(f"{path}: holds neither model.safetensors nor {file.name}; give a weights file")
    return foreign.load(file, scale, rgb_range)


def _from_hub(hub_id: str, scale: int, rgb_range: float | None) -> Rcan:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        try:
            hf_hub_download(hub_id, "model.safetensors")
        except EntryNotFoundError:
            return foreign.load(hf_hub_download(hub_id, f"pytorch_model_{scale}x.pt"), scale, rgb_range)
        return _agreeing(_pretrained(hub_id), hub_id, scale, rgb_range)
    except (OSError, ValueError) as error:  # ValueError: no valid repository id
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SrgridError(
            f"model {hub_id!r}: no such local folder, and not to be had from the hub ({reason})"
        ) from None


def _pretrained(source: str) -> Rcan:
    try:
        return Rcan.from_pretrained(source)
    except SrgridError as error:  # a config that is wrong in itself does not know where it stands
        raise SrgridError(str(error) if source in str(error) else f"{source}: {error}") from None
    except (ValueError, TypeError, AttributeError) as error:  # what huggingface_hub lets out of a damaged config
        raise SrgridError(f"{source}: its config.json is damaged ({error}); save or fetch the model again") from None


def _agreeing(model: Rcan, source: str, scale: int | None, rgb_range: float | None) -> Rcan:
    if scale is not None and model.config.scale != scale:
        raise SrgridError(f"{source}: built for scale {model.config.scale}, not {scale}")
    if rgb_range not in (None, model.config.rgb_range):
        raise SrgridError(
            f"{source}: says itself that its inputs are in 0..{model.config.rgb_range:g}; leave rgb_range out"
        )
    return model
