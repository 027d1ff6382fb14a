"""Checkpoints of other projects: super-image's (`pytorch_model_4x.pt`) and the RCAN authors' own (`RCAN_BIX4.pt`).

Hyper-parameters are read off the tensors. Files are unpickled with weights_only: code in them never runs.
"""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import torch
from torch import Tensor

from srgrid.errors import SrgridError
from srgrid.models import tensors
from srgrid.models.rcan import Rcan, RcanConfig

_BLOCK = re.compile(r"body\.(\d+)\.body\.(\d+)\.body\.0\.weight")


def load(path: str | Path, scale: int | None = None, rgb_range: float | None = None) -> Rcan:
    """Build an Rcan from another project's checkpoint, in fp32 on the CPU, ready for inference.

    The stored mean shift is used as it is. What the network was fed cannot be read off the tensors: with balanced
    attention it is taken to be 0..1 (super-image), with channel attention 0..255 (the RCAN authors); pass
    `rgb_range` (1 or 255) where that is wrong, as for super-image's models without BAM.
    Raises SrgridError for a file that is missing, torn, not a checkpoint of this network, or of another scale.
    """
    path = Path(path)
    state = _read(path)
    try:
        config = _infer(state, rgb_range)
    except (KeyError, IndexError, ValueError, ZeroDivisionError):
        raise SrgridError(f"{path}: not an RCAN or RCAN-BAM checkpoint: expected tensors are missing") from None
    if scale is not None and scale != config.scale:
        raise SrgridError(f"{path}: built for scale {config.scale}, not {scale}; give the checkpoint of scale {scale}")
    model = Rcan(config)
    tensors.fit(model, state, str(path))
    model.provenance = {"source": path.name, "trained_by": "another project"}
    return model.eval()


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise SrgridError(f"{path}: there is no such checkpoint")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError):
        raise SrgridError(f"{path}: torn, or holds more than plain tensors (refused); fetch it again") from None
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise SrgridError(f"{path}: not a table of tensors; give a file saved from model.state_dict()")
    return {str(name).removeprefix("module."): tensor for name, tensor in content.items()}


def _infer(state: dict[str, Tensor], rgb_range: float | None) -> RcanConfig:
    places = [(int(m[1]), int(m[2])) for m in map(_BLOCK.fullmatch, state) if m]
    features = state["head.0.weight"].shape[0]
    bam = "body.0.body.0.body.3.ca.fc1.weight" in state
    squeeze = state["body.0.body.0.body.3." + ("ca.fc1.weight" if bam else "conv_du.0.weight")].shape[0]
    factor = {4: 2, 9: 3}[state["tail.0.0.weight"].shape[0] // features]
    return RcanConfig(
        scale=factor * (2 if "tail.0.2.weight" in state else 1),
        groups=max(group for group, _ in places) + 1,
        blocks=max(block for _, block in places) + 1,
        features=features,
        reduction=features // squeeze,
        attention="bam" if bam else "ca",
        rgb_range=rgb_range if rgb_range is not None else (1.0 if bam else 255.0),
    )
