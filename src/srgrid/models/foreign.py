"""Checkpoints of other projects: which of the known kinds of networks their tensors are, by `Architecture.infer`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from srgrid.errors import SrgridError
from srgrid.models.architecture import Inferred
from srgrid.models.container import Content
from srgrid.models.record import WeightsRecord
from srgrid.networks import ARCHITECTURES

# What training programs put before the names of a network that they wrap.
PREFIXES = ("module.", "_orig_mod.", "model.", "net_g.", "netG.", "net.", "generator.")

# Names that betray a network that this program does not know; spandrel knows those of _ZOO.
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

_ZOO = ("DCTLSA", "SwinIR", "RCAN under BasicSR's names", "RRDB (ESRGAN)")


class UnknownNetworkError(SrgridError):
    """A file's tensors are of no kind that is known. zoo_name: of the kind that spandrel would know; empty if none."""

    def __init__(self, message: str, state: Mapping[str, Tensor]) -> None:
        super().__init__(message)
        name = _looks_like(state)
        self.zoo_name = name if name in _ZOO else ""


def recognise(content: Content, rgb_range: float | None = None) -> tuple[WeightsRecord, Inferred]:
    """What a file without our header holds: its record, and the tensors as its network takes them.

    rgb_range: the range of inputs that the network was trained on, 1 or 255, where the tensors do not tell it.
    Raises UnknownNetworkError if its tensors are of no network that is known, SrgridError if nothing tells the range.
    """
    marked = content.kind == "checkpoint"
    state: Mapping[str, Tensor] = content.tensors
    for architecture, kind in ARCHITECTURES.items():
        if kind.infer is None:
            continue
        state, prefix = _bare(content.tensors, kind.mark)
        marked = marked or kind.mark in state
        found = kind.infer(state, str(content.path), rgb_range) if kind.mark in state else None
        if found is not None:
            provenance = _provenance(content, prefix) | found.provenance
            return WeightsRecord(architecture, found.config, provenance=provenance), found
    if not marked:
        raise UnknownNetworkError(
            f"{content.path}: a {content.kind} file without srgrid's header; it does not say what model it is", state
        )
    known = " or ".join(kind.title for kind in ARCHITECTURES.values() if kind.infer)
    raise UnknownNetworkError(
        f"{content.path}: not {known} checkpoint: expected tensors are missing ({_resembles(state)})", state
    )


def _provenance(content: Content, prefix: str) -> dict[str, Any]:
    made: dict[str, Any] = {"source": content.path.name, "trained_by": "another project"}
    if content.taken:
        made["taken_from"] = ".".join(content.taken)
    if prefix:
        made["prefix"] = prefix
    return made


def _bare(state: Mapping[str, Tensor], mark: str) -> tuple[Mapping[str, Tensor], str]:
    """The tensors without what a training program put before their names, and what that was."""
    stripped = ""
    while mark not in state:
        prefix = next((p for p in PREFIXES if any(name.startswith(p) for name in state)), None)
        if prefix is None:
            break
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
        stripped += prefix
    return state, stripped


def _resembles(state: Mapping[str, Tensor]) -> str:
    if name := _looks_like(state):
        return f"it looks like {name}, which this program does not know"
    return f"its first is {next(iter(state), 'none')[:80]}"


def _looks_like(state: Mapping[str, Tensor]) -> str:
    known = (name for pattern, name in _OTHERS if any(re.match(pattern, key) for key in state))
    return next(known, "")
