"""Checkpoints of other projects: super-image's (`pytorch_model_4x.pt`) and the RCAN authors' own (`RCAN_BIX4.pt`).

Hyper-parameters are read off the tensors. So is the range of the inputs where the tensors tell it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from torch import Tensor

from srgrid.errors import SrgridError
from srgrid.models import container
from srgrid.models.rcan import Rcan, from_tensors
from srgrid.networks import RcanConfig

# What training programs put before the names of a network that they wrap.
PREFIXES = ("module.", "_orig_mod.", "model.", "net_g.", "netG.", "net.", "generator.")

RANGES = (1.0, 255.0)

_FIRST = "head.0.weight"
_BLOCK = re.compile(r"body\.(\d{1,6})\.body\.(\d{1,6})\.body\.0\.weight")

# DIV2K's mean colour averages 0.43 of the range: what |bias| of the shift can be for inputs in 0..1 and in 0..255,
# training included.
_SHIFTS = {1.0: (0.2, 0.8), 255.0: (51.0, 204.0)}

# Names that betray a network that this program does not know.
_OTHERS = (
    (r"block_1\.c1_r\.", "RLFN"),
    (r"B1\.c1_d\.", "RFDN"),
    (r"IMDB1\.", "IMDN"),
    (r"B1\.body\.0\.transformer_body\.", "DCTLSA"),
    (r"sub_mean\.shifter\.", "CARN"),
    (r".*residual_group\.blocks\.\d+\.attn\.", "SwinIR"),
    (r"body\.\d+\.residual_group\.\d+\.rcab\.", "RCAN under BasicSR's names"),
    (r".*(RDB1|rdb1)\.", "RRDB (ESRGAN)"),
    (r"body\.\d+\.body\.2\.weight", "EDSR"),
)


def known(content: container.Content) -> bool:
    """Whether a file without our header is for this module to read or refuse: a checkpoint, or RCAN's own names."""
    return content.kind == "checkpoint" or _FIRST in _bare(content.tensors)[0]


def load(path: str | Path, scale: int | None = None, rgb_range: float | None = None) -> Rcan:
    """Build an Rcan from another project's checkpoint, in fp32 on the CPU, ready for inference.

    The stored mean shift is used as it is. The range of inputs that the network was trained on is `rgb_range` (1 or
    255), or else told by that shift; what was assumed is printed, and stands in the model's provenance.
    Raises SrgridError for a file that is missing, torn, not a checkpoint of this network, of another scale, or whose
    range nothing tells.
    """
    return of_content(container.read(Path(path), "checkpoint"), scale, rgb_range)


def of_content(content: container.Content, scale: int | None = None, rgb_range: float | None = None) -> Rcan:
    """As `load`, of a file that is read already."""
    path = content.path
    state, prefix = _bare(content.tensors)
    try:
        config = _infer(state, 1.0)
    except (KeyError, IndexError, ValueError, ZeroDivisionError):
        raise SrgridError(
            f"{path}: not an RCAN or RCAN-BAM checkpoint: expected tensors are missing ({_resembles(state)})"
        ) from None
    except SrgridError as error:
        raise SrgridError(f"{path}: not an RCAN or RCAN-BAM checkpoint that can be used: {error}") from None
    if scale is not None and scale != config.scale:
        raise SrgridError(f"{path}: built for scale {config.scale}, not {scale}; give the checkpoint of scale {scale}")
    used, why = _range(path, state, config, rgb_range)
    model = from_tensors(_infer(state, used), _with_shift(state), str(path))
    model.file, model.sha256 = path.name, content.sha256
    model.provenance = _provenance(content, prefix, used, why)
    print(f"srgrid: {path}: inputs taken to be 0..{used:g}: {why}", file=sys.stderr, flush=True)
    return model


def _provenance(content: container.Content, prefix: str, used: float, why: str) -> dict[str, Any]:
    made: dict[str, Any] = {"source": content.path.name, "trained_by": "another project"}
    made |= {"rgb_range": used, "rgb_range_from": why}
    if content.taken:
        made["taken_from"] = ".".join(content.taken)
    if prefix:
        made["prefix"] = prefix
    return made


def _bare(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """The tensors without what a training program put before their names, and what that was."""
    stripped = ""
    while _FIRST not in state:
        prefix = next((p for p in PREFIXES if any(name.startswith(p) for name in state)), None)
        if prefix is None:
            break
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
        stripped += prefix
    return state, stripped


def _infer(state: dict[str, Tensor], rgb_range: float) -> RcanConfig:
    places = {(int(m[1]), int(m[2])) for m in map(_BLOCK.fullmatch, state) if m}
    features = state[_FIRST].shape[0]
    bam = "body.0.body.0.body.3.ca.fc1.weight" in state
    squeeze = state["body.0.body.0.body.3." + ("ca.fc1.weight" if bam else "conv_du.0.weight")].shape[0]
    factor = {4: 2, 9: 3}[state["tail.0.0.weight"].shape[0] // features]
    groups, blocks = (max(place[axis] for place in places) + 1 for axis in (0, 1))
    if groups * blocks != len(places):
        raise SrgridError(f"{len(places)} residual blocks do not make {groups} groups of {blocks}; the file is damaged")
    return RcanConfig(
        scale=factor * (2 if "tail.0.2.weight" in state else 1),
        groups=groups,
        blocks=blocks,
        features=features,
        reduction=features // squeeze,
        attention="bam" if bam else "ca",
        rgb_range=rgb_range,
    )


def _range(path: Path, state: dict[str, Tensor], config: RcanConfig, given: float | None) -> tuple[float, str]:
    """The range of the inputs, and what it is known or assumed from."""
    shift = state.get("sub_mean.bias")
    mean = float(shift.double().mean()) if shift is not None and shift.numel() else 0.0
    if given is not None:
        if given not in RANGES:
            raise SrgridError(f"rgb_range {given}: choose 1 (inputs in 0..1) or 255 (inputs in 0..255)")
        return float(given), f"rgb_range was given (the stored mean shift is {mean:.4g})"
    stored = next((r for r, (low, high) in _SHIFTS.items() if low <= -mean <= high), None)
    if stored is None:
        raise SrgridError(
            f"{path}: nothing in it tells the range of its inputs (its mean shift is {mean:.4g}; about -0.43 means"
            " 0..1, about -110 means 0..255); give rgb_range (--rgb-range 1 or 255)"
        )
    if stored == 255 and config.attention == "bam":
        return (
            1.0,
            f"assumed from balanced attention with a mean shift of {mean:.4g}, which super-image feeds with 0..1",
        )
    return stored, f"assumed from the stored mean shift of {mean:.4g}; give rgb_range (--rgb-range) if that is wrong"


def _with_shift(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors; a network that has no mean shift at all (the BAM authors') gets one that shifts by nothing."""
    if any(name.startswith(("sub_mean.", "add_mean.")) for name in state):
        return state
    first = state[_FIRST]
    shift = {"weight": first.new_ones(3).diag().view(3, 3, 1, 1), "bias": first.new_zeros(3)}
    return state | {f"{name}.{key}": value for name in ("sub_mean", "add_mean") for key, value in shift.items()}


def _resembles(state: dict[str, Tensor]) -> str:
    for pattern, name in _OTHERS:
        if any(re.match(pattern, key) for key in state):
            return f"it looks like {name}, which this program does not know"
    return f"its first is {next(iter(state), 'none')[:80]}"
