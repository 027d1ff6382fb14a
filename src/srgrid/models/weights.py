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
from srgrid.models import tensors
from srgrid.models.rcan import Rcan, RcanConfig

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

    Raises SrgridError if the file is missing, torn, not ours, of an unknown architecture, does not fit, or was
    made for another scale than the one asked for.
    """
    path = Path(path)
    values, metadata = tensors.read(path)
    header = _header(path, metadata)
    config = _config(path, header)
    if scale is not None and scale != config.scale:
        raise SrgridError(f"{path}: built for scale {config.scale}, not {scale}; give the file made for scale {scale}")
    model = Rcan(config)
    tensors.fit(model, values, str(path))
    model.name = str(header.get("name", ""))
    model.provenance = dict(header.get("provenance", {}))
    return model.eval()


def _header(path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    try:
        header = json.loads(metadata[HEADER])
    except (KeyError, ValueError):
        raise SrgridError(
            f"{path}: a safetensors file without srgrid's header; it does not say what model it is"
        ) from None
    return dict(header)


def _config(path: Path, header: dict[str, Any]) -> RcanConfig:
    if header.get("architecture") != "rcan":
        raise SrgridError(
            f"{path}: unknown model architecture {header.get('architecture')!r}; this srgrid knows 'rcan'"
        )
    given = header.get("config", {})
    if set(given) != {field.name for field in fields(RcanConfig)}:
        raise SrgridError(f"{path}: its header's model config has the wrong keys: {', '.join(sorted(given))}")
    return RcanConfig(**given)
