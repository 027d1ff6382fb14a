"""What tensors under RCAN's published names are: super-image's checkpoints, and those of the RCAN authors.

Hyper-parameters are read off the tensors. So is the range of the inputs where the tensors tell it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from srgrid.errors import SrgridError
from srgrid.models.architecture import Inferred
from srgrid.models.rcan_config import RcanConfig

RANGES = (1.0, 255.0)

_FIRST = "head.0.weight"
_BLOCK = re.compile(r"body\.(\d{1,6})\.body\.(\d{1,6})\.body\.0\.weight")

# DIV2K's mean colour averages 0.43 of the range: what |bias| of the shift can be for inputs in 0..1 and in 0..255,
# training included.
_SHIFTS = {1.0: (0.2, 0.8), 255.0: (51.0, 204.0)}


def infer(state: Mapping[str, Tensor], path: str, rgb_range: float | None) -> Inferred | None:
    """The network of a checkpoint, or None if its tensors are of another kind.

    The stored mean shift is used as it is. The range of inputs that the network was trained on is `rgb_range` (1 or
    255), or else told by that shift. Raises SrgridError for a size that there is none of, or where nothing tells the
    range.
    """
    try:
        config = _config(state)
    except (KeyError, IndexError, ValueError, ZeroDivisionError):
        return None
    except SrgridError as error:
        raise SrgridError(f"{path}: not an RCAN or RCAN-BAM checkpoint that can be used: {error}") from None
    used, why = _range(path, state, config, rgb_range)
    provenance = {"rgb_range": used, "rgb_range_from": why}
    said = f"inputs taken to be 0..{used:g}: {why}"
    return Inferred(replace(config, rgb_range=used), _with_shift(state), provenance, said)


def _config(state: Mapping[str, Tensor]) -> RcanConfig:
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
    )


def _range(path: str, state: Mapping[str, Tensor], config: RcanConfig, given: float | None) -> tuple[float, str]:
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


def _with_shift(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors; a network that has no mean shift at all (the BAM authors') gets one that shifts by nothing."""
    if any(name.startswith(("sub_mean.", "add_mean.")) for name in state):
        return state
    first = state[_FIRST]
    shift = {"weight": first.new_ones(3).diag().view(3, 3, 1, 1), "bias": first.new_zeros(3)}
    return {**state} | {f"{name}.{key}": value for name in ("sub_mean", "add_mean") for key, value in shift.items()}
