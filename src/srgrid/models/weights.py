"""Weights files: safetensors whose header holds what the model is and how it came to be (`WeightsRecord`).

The same weights and record always give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from srgrid.errors import SrgridError
from srgrid.models.architecture import shown
from srgrid.models.record import HEADER, WeightsRecord
from srgrid.models.tensors import fit, write
from srgrid.networks import ARCHITECTURES

DTYPES = {"fp16": torch.float16, "fp32": torch.float32}


def save(path: Path, module: nn.Module, record: WeightsRecord, dtype: str = "fp32") -> None:
    """Write a module and its record to one file, atomically. What is a constant stays fp32 (`Architecture.exact`).

    Leave wall times out of the record's provenance if files are to be compared byte by byte.
    """
    if dtype not in DTYPES:
        raise SrgridError(f"dtype {dtype!r}: choose one of {', '.join(DTYPES)}")
    if record.architecture not in ARCHITECTURES:
        raise SrgridError(f"{path}: not written: srgrid's files hold its own networks, not a {record.architecture}")
    exact = ARCHITECTURES[record.architecture].exact
    state = {
        name: value.to(torch.float32 if name.startswith(exact) else DTYPES[dtype])
        for name, value in module.state_dict().items()
    }
    write(Path(path), state, {HEADER: record.header()})


def fill(record: WeightsRecord, values: Mapping[str, Tensor], source: str) -> nn.Module:
    """The module that a record tells of, holding `values`, in fp32 on the CPU, ready for inference.

    Raises SrgridError, before anything of that size is made, if these tensors cannot be that network's.
    """
    kind = ARCHITECTURES[record.architecture]
    count, numbers = kind.least(record.config)
    if count > len(values) or numbers > sum(tensor.numel() for tensor in values.values()):
        raise SrgridError(
            f"{source}: the weights do not fit the model: {shown(asdict(record.config))} is a larger network than its"
            f" {len(values)} tensors make up"
        )
    with torch.device("meta"):
        module = kind.build(record.config)
    fit(module, values, source)
    return module.eval()
