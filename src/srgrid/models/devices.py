"""Devices: which one, what it computes in, and how much memory it has left."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import torch

from srgrid.errors import SrgridError


def choose(name: str, local: int = 0) -> torch.device:
    """The device of that name: auto, cpu, cuda or cuda:N. local: which GPU `auto` and `cuda` mean.

    Raises SrgridError for an unknown name, and for a GPU where torch sees none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise SrgridError(f"device {name!r}: unknown; give auto, cpu, cuda or cuda:N") from None
    if device.type != "cuda":
        return device
    if not torch.cuda.is_available():
        raise SrgridError(f"device {name!r}: torch sees no GPU here; give cpu, or install torch with CUDA")
    return device if device.index is not None else torch.device("cuda", local)


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


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: torch has several, onnxruntime others."""
    said = str(error)
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in said or "bad_alloc" in said
