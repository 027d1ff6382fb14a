"""Devices: which one, what it computes in, and how much memory it has left."""

from __future__ import annotations

import contextlib
import re
import resource
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import torch

from srgrid import cards
from srgrid.errors import SrgridError

_CUDA_13_DRIVER = 580  # the first that CUDA 13, and so PyPI's torch, runs on
_OLDER_CUDA = "https://download.pytorch.org/whl/cu126"


def choose(name: str, local: int | None = None) -> torch.device:
    """The device of that name: auto, cpu, cuda or cuda:N; says which, and why, on stderr.

    `auto` and `cuda` mean a GPU that no other process of this program holds, or GPU number `local`. Raises SrgridError
    for an unknown name, for a GPU that is not there, and if a GPU is there that torch cannot use.
    """
    try:
        device = torch.device("cuda" if name == "auto" else name)
    except RuntimeError:
        raise SrgridError(f"device {name!r}: unknown; give auto, cpu, cuda or cuda:N") from None
    if device.type != "cuda":
        return device
    if not torch.cuda.is_available():
        shown = cards.shown()
        if name != "auto" or shown.number:
            raise SrgridError(f"device {name!r}: {_unusable(shown)}")
        _say("cpu", "no NVIDIA GPU is visible here")
        return torch.device("cpu")
    if device.index is not None or local is not None:
        device = torch.device("cuda", local if device.index is None else device.index)
        if device.index >= torch.cuda.device_count():
            raise SrgridError(f"device {str(device)!r}: there are {torch.cuda.device_count()} GPUs, counted from 0")
    else:
        device = _own_card()
    _say(str(device), torch.cuda.get_device_name(device))
    return device


def _own_card() -> torch.device:
    """A GPU that no other process holds; the first, shared, if there is none."""
    names = [str(torch.cuda.get_device_properties(i).uuid) for i in range(torch.cuda.device_count())]
    at = cards.take(names)
    if at is None:
        _say("cuda:0", f"shared: other runs hold all {len(names)} GPUs")
    return torch.device("cuda", at or 0)


def _unusable(shown: cards.Shown) -> str:
    """Why torch has no GPU, and what to do."""
    if not shown.number:
        return "no NVIDIA GPU is visible here; give cpu, or run where there is one"
    built = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "for CPUs alone"
    driver = f"driver {shown.driver}" if shown.driver else "a driver of unknown version"
    old = shown.driver and int(shown.driver.split(".")[0]) < _CUDA_13_DRIVER
    cure = f"TORCH_INDEX={_OLDER_CUDA}" if old else "without TORCH_INDEX"
    return (
        f"{shown.number} GPU with {driver} is here, but torch {torch.__version__}, made {built}, cannot use it;"
        f" install another (`make clean`, then `make demo` {cure}), or give cpu"
    )


@cache
def _say(device: str, why: str) -> None:
    print(f"srgrid: device {device} ({why})", file=sys.stderr, flush=True)


@contextlib.contextmanager
def float32(device: torch.device, tf32: bool = False) -> Iterator[None]:
    """Within it, convolutions and matrix products in fp32 are fp32 on a GPU, too, where cuDNN takes TF32 by default:
    10 bits of mantissa, which moves 3 % of the samples of an 8-bit image by a level. tf32: take it."""
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    torch.backends.cudnn.allow_tf32 = tf32
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before[0]
        torch.set_float32_matmul_precision(before[1])


def has_native_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bf16 matrices in hardware."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    with contextlib.suppress(OSError):
        flags = Path("/proc/cpuinfo").read_text()
        return "avx512_bf16" in flags or "amx_bf16" in flags
    return False


def free_memory(device: torch.device) -> int:
    """Bytes that can still be allocated on the device."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + cached
    free = _proc("/proc/meminfo", "MemAvailable") or 4 << 30
    with contextlib.suppress(OSError, ValueError, KeyError):
        group = Path("/sys/fs/cgroup")
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        held = int((group / "memory.current").read_text())
        cached = int(stat["inactive_file"]) + int(stat["active_file"])  # of files that were read: given up when asked
        free = min(free, int((group / "memory.max").read_text()) - held + cached)
    return max(free, 64 << 20)


@contextlib.contextmanager
def bounded_memory(device: torch.device) -> Iterator[None]:
    """Within it, asking for more memory than the CPU has left is an error, where Linux might kill the process."""
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    used = _proc("/proc/self/status", "VmData")
    if device.type != "cpu" or not used:  # not Linux
        yield
        return
    bound = used + free_memory(device) + _proc("/proc/meminfo", "SwapFree")
    bounded = bound if limits[0] == resource.RLIM_INFINITY else min(bound, limits[0])
    resource.setrlimit(resource.RLIMIT_DATA, (bounded, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, limits)


def _proc(file: str, key: str) -> int:
    """A number of bytes that Linux tells; 0 if it does not."""
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path(file).read_text().splitlines()
        return int(next(line for line in lines if line.startswith(f"{key}:")).split()[1]) * 1024
    return 0


# As torch's allocators, CUDA, cuDNN (which finds no way to compute in the memory that is left), cuBLAS and onnxruntime
# say it.
_NO_MEMORY = re.compile(
    r"allocate memory|bad_alloc|out of memory|(CUDNN|CUBLAS)_STATUS_ALLOC_FAILED"
    r"|unable to find an engine|no valid execution plans|failed to allocate",
    re.I,
)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, in any of the ways it is said."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or bool(_NO_MEMORY.search(str(error)))
