"""Weights files of any make: what a file is, told by its content, and the tensors in it.

A file is read once, whole: its digest is that of the bytes that were used. Pickles are loaded with weights_only: code
in them never runs. Every size is held against the file's own before memory is asked for. Files that hold a network
whole, ONNX and TorchScript, are told apart here, and read in `onnx.py` and `script.py`.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from srgrid.errors import SrgridError
from srgrid.models.kinds import START, kind_of, look

# Keys under which training programs keep the network's tensors, the running average first: it is what they publish.
WRAPPERS = ("params_ema", "params", "state_dict", "model_state_dict", "model", "net", "generator")
_DEPTH = 4
_EXPORTED = {"archive_format", "serialized_exported_program.json"}  # records of torch.export, by their names
_MOST_CODE = 64 << 20  # bytes of TorchScript, unpacked


@dataclass(frozen=True)
class Content:
    """What a weights file holds."""

    path: Path
    sha256: str  # of the file's bytes
    kind: Literal["safetensors", "checkpoint", "onnx", "script"]
    tensors: dict[str, Tensor]  # on the CPU; none of a whole network
    metadata: dict[str, str]  # of safetensors
    taken: tuple[str, ...] = ()  # keys that a wrapped checkpoint was opened by, outermost first
    raw: bytes = b""  # of a whole network


def read(path: Path, what: str = "weights file") -> Content:
    """Read a safetensors file, a PyTorch checkpoint, an ONNX or a TorchScript file, whatever its name.

    Raises SrgridError, saying what the file is, if it is missing, torn, or something else.
    """
    if not path.is_file():
        raise SrgridError(f"{path}: there is no such {what}")
    try:
        with path.open("rb") as file:
            start = file.read(START)
            kind = kind_of(start)
            file.seek(0)
            raw = file.read() if kind else start
    except OSError as error:
        raise SrgridError(f"{path}: cannot be read ({error.strerror})") from None
    except MemoryError:
        raise SrgridError(f"{path}: too large for this machine's memory") from None
    if kind is None:
        raise SrgridError(
            f"{path}: not a whole safetensors file or PyTorch checkpoint ({look(start)}); fetch or train it again"
        )
    digest = hashlib.sha256(raw).hexdigest()
    if kind == "onnx" or (kind == "zip" and _check_zip(path, raw)):
        return Content(path, digest, "onnx" if kind == "onnx" else "script", {}, {}, raw=raw)
    tensors, metadata, taken = _safetensors(path, raw) if kind == "safetensors" else _checkpoint(path, raw)
    check_sizes(path, tensors, len(raw))
    return Content(path, digest, "safetensors" if kind == "safetensors" else "checkpoint", tensors, metadata, taken)


def _safetensors(path: Path, raw: bytes) -> tuple[dict[str, Tensor], dict[str, str], tuple[str, ...]]:
    try:
        tensors = safetensors.torch.load(raw)
        (length,) = struct.unpack("<Q", raw[:8])
        metadata = json.loads(raw[8 : 8 + length]).get("__metadata__", {})
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError, MemoryError, RecursionError) as error:
        raise SrgridError(f"{path}: not a whole safetensors file ({_short(error)}); fetch or train it again") from None
    return tensors, dict(metadata), ()


def _checkpoint(path: Path, raw: bytes) -> tuple[dict[str, Tensor], dict[str, str], tuple[str, ...]]:
    try:
        content = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    except Exception as error:  # a hostile pickle makes the unpickler raise anything: KeyError, struct.error, ...
        raise SrgridError(f"{path}: {_why_not(error)}") from None
    found = _find(content, _DEPTH)
    if found is None:
        raise SrgridError(
            f"{path}: not a table of tensors, nor one under {', '.join(WRAPPERS)} (it holds {_inside(content)});"
            " give a file saved from model.state_dict()"
        )
    return found[1], {}, found[0]


def _check_zip(path: Path, raw: bytes) -> bool:
    """Whether a zip file is a TorchScript program, not a checkpoint. Raises SrgridError if it is neither.

    torch.save stores what it writes, and torch.jit.save all but its code: a record that is compressed, or larger than
    the file, would fill memory.
    """
    try:
        records = zipfile.ZipFile(io.BytesIO(raw)).infolist()
    except Exception as error:  # zipfile raises anything from NotImplementedError to struct.error on damaged bytes
        raise SrgridError(f"{path}: torn zip file ({_short(error)}); fetch it again") from None
    names = {record.filename.rpartition("/")[2] for record in records}
    if names & _EXPORTED:
        raise SrgridError(
            f"{path}: a program of torch.export (.pt2), which could run code as it is read, and is refused; export it"
            " as ONNX, or give a Python entry"
        )
    if "data.pkl" not in names:
        raise SrgridError(
            f"{path}: a zip file without PyTorch's data.pkl, not a checkpoint; give a file saved from"
            " model.state_dict()"
        )
    script = "constants.pkl" in names
    code = [record for record in records if script and "/code/" in record.filename]
    rest = [record for record in records if record not in code]
    stored = all(record.compress_type == zipfile.ZIP_STORED for record in rest)
    if not stored or sum(r.file_size for r in rest) > len(raw) or sum(r.file_size for r in code) > _MOST_CODE:
        raise SrgridError(f"{path}: its records are compressed, which torch.save never does; save the weights anew")
    return script


def _why_not(error: Exception) -> str:
    named = re.search(r"GLOBAL (\S+)|Unsupported class (\S+)", str(error))
    if named:
        return (
            f"holds more than plain tensors ({named[1] or named[2]}), could run code, and is refused;"
            " save model.state_dict() alone"
        )
    return f"torn, or holds more than plain tensors (refused: {_short(error)}); fetch it again"


def _find(content: Any, depth: int) -> tuple[tuple[str, ...], dict[str, Tensor]] | None:
    """The table of tensors in a checkpoint, and the keys that lead to it."""
    if not isinstance(content, dict) or not depth:
        return None
    if content and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in content.items()):
        return (), dict(content)
    for key in WRAPPERS:
        if found := _find(content.get(key), depth - 1):
            return (key, *found[0]), found[1]
    return None


def _inside(content: Any) -> str:
    if not isinstance(content, dict):
        return f"one {type(content).__name__}"
    return ", ".join(str(key)[:40] for key in list(content)[:5]) or "nothing"


def check_sizes(path: Path, tensors: dict[str, Tensor], size: int) -> None:
    """Raise SrgridError for tensors that are not plain arrays of numbers, or that take more memory than the file has.

    A pickle can describe a tensor of any shape over one stored number, and a million tensors over the same.
    """
    for name, tensor in tensors.items():
        plain = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_nested
        if not plain or tensor.is_quantized:
            raise SrgridError(f"{path}: {name[:80]} is not a plain array of numbers; save the weights anew")
    if sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) > size:
        raise SrgridError(f"{path}: its tensors overlap: they are larger than the file itself; save the weights anew")


def _short(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0][:200] if text and text[0] else type(error).__name__
