"""Weights files: safetensors whose header holds what the model is and how it came to be.

The same weights and provenance always give the same bytes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal

import torch

from srgrid.errors import SrgridError
from srgrid.models import container, rcan, tensors
from srgrid.models.rcan import Rcan
from srgrid.networks import RcanConfig

HEADER = "srgrid"
DTYPES = {"fp16": torch.float16, "fp32": torch.float32}


def save(
    path: Path, model: Rcan, *, name: str, provenance: dict[str, Any], dtype: Literal["fp16", "fp32"] = "fp32"
) -> None:
    """Write a model to one file, atomically. The mean shift stays fp32: it is a constant, not a weight.

    `provenance` is any JSON value; leave wall times out of it if files are to be compared byte by byte.
    """
    if dtype not in DTYPES:
        raise SrgridError(f"dtype {dtype!r}: choose one of {', '.join(DTYPES)}")
    header = {"architecture": "rcan", "name": name, "config": asdict(model.config), "provenance": provenance}
    state = {
        key: value.to(torch.float32 if "_mean." in key else DTYPES[dtype]) for key, value in model.state_dict().items()
    }
    tensors.write(Path(path), state, {HEADER: json.dumps(header, sort_keys=True)})


def load(path: str | Path, scale: int | None = None) -> Rcan:
    """Build the model a weights file holds, in fp32 on the CPU, ready for inference.

    Raises SrgridError if the file is missing, torn, not ours, of an unknown architecture, does not fit, holds values
    that are not finite, or was made for another scale than the one asked for.
    """
    return of_content(container.read(Path(path)), scale)


def load_beside(path: Path, config: RcanConfig | None) -> Rcan:
    """As `load`, of a hub folder's model.safetensors; `config` is its config.json, needed if the file has no header.

    Raises SrgridError if the two disagree.
    """
    content = container.read(path)
    if HEADER in content.metadata:
        model = of_content(content)
        if config not in (None, model.config):
            raise SrgridError(f"{path}: the weights, by their header, do not fit the config.json beside them")
        return model
    if config is None:
        raise SrgridError(f"{path}: has neither srgrid's header nor a config.json beside it")
    return _signed(rcan.from_tensors(config, content.tensors, str(path)), content)


def of_content(content: container.Content, scale: int | None = None) -> Rcan:
    """As `load`, of a file that is read already."""
    path = content.path
    header = _header(content)
    config = _config(path, header)
    if scale is not None and scale != config.scale:
        raise SrgridError(f"{path}: built for scale {config.scale}, not {scale}; give the file made for scale {scale}")
    model = _signed(rcan.from_tensors(config, content.tensors, str(path)), content)
    model.name = header["name"]
    model.provenance = header["provenance"]
    return model


def _signed(model: Rcan, content: container.Content) -> Rcan:
    model.file, model.sha256 = content.path.name, content.sha256
    return model


def _header(content: container.Content) -> dict[str, Any]:
    path = content.path
    try:
        header = json.loads(content.metadata[HEADER])
    except (KeyError, ValueError, RecursionError):
        raise SrgridError(
            f"{path}: a {content.kind} file without srgrid's header; it does not say what model it is"
        ) from None
    if not isinstance(header, dict):
        raise SrgridError(f"{path}: its header is no JSON object; fetch or train it again")
    full = {"name": "", "provenance": {}, "config": {}} | header
    for key, kind in (("name", str), ("provenance", dict), ("config", dict)):
        if not isinstance(full[key], kind):
            raise SrgridError(f"{path}: its header's {key} is no {kind.__name__}; fetch or train it again")
    return full


def _config(path: Path, header: dict[str, Any]) -> RcanConfig:
    if header.get("architecture") != "rcan":
        raise SrgridError(
            f"{path}: unknown model architecture {str(header.get('architecture'))[:80]!r}; this srgrid knows 'rcan'"
        )
    given = header["config"]
    if set(given) != {field.name for field in fields(RcanConfig)}:
        raise SrgridError(f"{path}: its header's model config has the wrong keys: {', '.join(sorted(given))[:200]}")
    try:
        return RcanConfig(**given)
    except SrgridError as error:
        raise SrgridError(f"{path}: its header's model config: {error}") from None
