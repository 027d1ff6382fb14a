"""Whether a training's steps are compiled, and how."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sysconfig
from pathlib import Path
from typing import Any

import torch
from torch import nn

from srgrid.train.checkpoint import tell
from srgrid.train.recipes import TrainConfig
from srgrid.train.team import Team

_PAYS_STEPS = 2000  # on a CPU: compiling costs about 40 s and saves about 0.1 s of 0.35 s a step
_PAYS_MINUTES = 8


def compiled(model: nn.Module, config: TrainConfig, team: Team) -> Any:
    """The model, compiled when it is first called, or as it is where compiling does not pay or cannot be done here."""
    if config.compile == "off" or (config.compile == "auto" and not _pays(config, team.device)):
        return model
    if lack := lacking(team.device):
        tell(f"not compiled: {lack}")
        return model
    return torch.compile(model, **options(team.device, team.size))


def options(device: torch.device, processes: int = 1) -> dict[str, Any]:
    """What torch.compile is told.

    Each patch size is compiled by itself: code for any size is slower, and Inductor fails to make it for some networks.

    A step of the 200 blocks makes thousands of launches, more than a CPU issues while a GPU computes. A CUDA graph
    issues them all at once; DistributedDataParallel's hooks do not fit into one.
    """
    if device.type != "cuda":
        return {"dynamic": False}
    return {"dynamic": False, "options": {"triton.cudagraphs": processes == 1, "combo_kernels": True}}


def lacking(device: torch.device) -> str | None:
    """What a compilation for the device would lack on this machine; None if nothing."""
    # Triton builds each kernel's launcher in C, Inductor its CPU code in C++.
    triton = device.type == "cuda"
    named = os.environ.get("CC" if triton else "CXX")
    usual = ("gcc", "clang") if triton else ("c++", "g++", "clang++")
    if not any(shutil.which(name.split()[0]) for name in ([named] if named else usual)):
        return f"no {'C' if triton else 'C++'} compiler ({' or '.join([named] if named else usual)})"
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    if not header.exists():
        return f"no {header} (of a package such as python3-dev)"
    if triton and importlib.util.find_spec("triton") is None:
        return "no Triton"
    return None


def cause(error: BaseException) -> str:
    """The first line of an error that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def _pays(config: TrainConfig, device: torch.device) -> bool:
    if device.type == "cuda":
        return True
    long = config.epochs is not None or (config.steps or 0) >= _PAYS_STEPS
    return long or (config.minutes or 0) >= _PAYS_MINUTES
