"""safetensors files: deterministic writing, reading with errors a user can act on, strict fitting."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from srgrid.errors import SrgridError
from srgrid.files import staged_file


def write(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write tensors atomically. `metadata` must have one key: safetensors does not keep the order of several."""
    if len(metadata) != 1:
        raise ValueError("one metadata key, or the bytes differ from run to run")
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with staged_file(path) as staged:
        try:
            save_file(plain, staged, metadata=metadata)
        except SafetensorError as error:  # it wraps what the system says
            raise SrgridError(f"{path}: cannot be written ({error})") from None


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors (on the CPU) and the metadata. Raises SrgridError for a missing, torn or foreign file."""
    if not path.is_file():
        raise SrgridError(f"{path}: there is no such weights file")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise SrgridError(f"{path}: not a whole safetensors file ({error}); fetch or train it again") from None


def fit(model: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Copy tensors into the model. Raises SrgridError unless names and shapes are exactly the model's."""
    own = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if own != given:
        raise SrgridError(f"{source}: the weights do not fit the model: {_difference(own, given)}")
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})


def _difference(own: dict[str, tuple[int, ...]], given: dict[str, tuple[int, ...]]) -> str:
    if missing := sorted(own.keys() - given.keys()):
        return f"{len(missing)} missing, such as {missing[0]}"
    if extra := sorted(given.keys() - own.keys()):
        return f"{len(extra)} unknown, such as {extra[0]}"
    name = next(n for n in own if own[n] != given[n])
    return f"{name} has shape {given[name]}, the model wants {own[name]}"
