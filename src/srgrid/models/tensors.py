"""Tensors into files and into models: deterministic writing, strict fitting, and no value that is not finite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from srgrid.errors import SrgridError
from srgrid.files import staged_file


def write(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write tensors atomically. `metadata` must have one key: safetensors does not keep the order of several.

    Raises SrgridError, and leaves an older file as it is, if a value is not finite.
    """
    if len(metadata) != 1:
        raise ValueError("one metadata key, or the bytes differ from run to run")
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    if bad := first_not_finite(plain.items()):
        raise SrgridError(f"{path}: not written: {bad} would hold values that are not finite (NaN or infinite)")
    with staged_file(path) as staged:
        try:
            save_file(plain, staged, metadata=metadata)
        except SafetensorError as error:  # it wraps what the system says
            raise SrgridError(f"{path}: cannot be written ({error})") from None


def fit(model: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Give a model (on the meta device, or with weights to replace) copies of `tensors`, in fp32.

    Raises SrgridError unless names and shapes are exactly the model's and every value is finite.
    """
    own = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if own != given:
        raise SrgridError(f"{source}: the weights do not fit the model: {_difference(own, given)}")
    if odd := next((name for name, tensor in tensors.items() if not tensor.dtype.is_floating_point), None):
        raise SrgridError(f"{source}: {odd} holds {tensors[odd].dtype}, where floating-point numbers are expected")
    state = {
        name: tensor.detach().to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    if bad := first_not_finite(state.items()):
        raise SrgridError(
            f"{source}: {bad} holds values that are not finite (NaN or infinite): a training that diverged, or damage;"
            " train or fetch the weights again"
        )
    model.load_state_dict(state, assign=True)


def first_not_finite(tensors: Iterable[tuple[str, Tensor]]) -> str | None:
    """The name of the first tensor that holds NaN or an infinity, or None. Waits for each device once."""
    by_device: dict[torch.device, list[tuple[str, Tensor]]] = {}
    for name, tensor in tensors:
        by_device.setdefault(tensor.device, []).append((name, torch.isfinite(tensor).all()))
    for flags in by_device.values():
        finite = torch.stack([flag for _, flag in flags]).tolist()
        if not all(finite):
            return flags[finite.index(False)][0]
    return None


def _difference(own: dict[str, tuple[int, ...]], given: dict[str, tuple[int, ...]]) -> str:
    if missing := sorted(own.keys() - given.keys()):
        return f"{len(missing)} missing, such as {missing[0]}"
    if extra := sorted(given.keys() - own.keys()):
        return f"{len(extra)} unknown, such as {extra[0][:80]}"
    name = next(n for n in own if own[n] != given[n])
    return f"{name} has shape {given[name]}, the model wants {own[name]}"
