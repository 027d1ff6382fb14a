"""Weights files: safetensors whose header holds what the model is and how it came to be.

The same weights and record always give the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torch import nn

from srgrid.errors import SrgridError
from srgrid.locate import HEADER
from srgrid.models import tensors
from srgrid.models.record import WeightsRecord

DTYPES = {"fp16": torch.float16, "fp32": torch.float32}


def save(path: Path, module: nn.Module, record: WeightsRecord, dtype: Literal["fp16", "fp32"] = "fp32") -> None:
    """Write a module to one file, atomically. The mean shift stays fp32: it is a constant, not a weight.

    The record's provenance is any JSON object; leave wall times out of it if files are to be compared byte by byte.
    """
    if dtype not in DTYPES:
        raise SrgridError(f"dtype {dtype!r}: choose one of {', '.join(DTYPES)}")
    state = {
        key: value.to(torch.float32 if "_mean." in key else DTYPES[dtype]) for key, value in module.state_dict().items()
    }
    tensors.write(Path(path), state, {HEADER: record.header})
