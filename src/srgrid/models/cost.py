"""What a network costs: parameters, multiply-adds and activations are counted, seconds and memory measured.

Counted for an SR image of 1280 x 720 pixels, as the field does since CARN (Ahn et al. 2018): for LR of the smallest
size that gives it, 427 x 240 at scale 3, padded where the network wants it. Nothing is computed: the network is run on
tensors that have a shape and no content.

Parameters are all numbers of the network's `nn.Parameter`s, frozen or not; buffers are none. A multiply-add is a
product and its addition in a convolution, a linear layer or a product of matrices (attention): half of what torch's
flop counter gives. Biases, activation functions, normalisation, pooling, interpolation and pixel shuffles are not
counted. Activations are the numbers that convolutions put out (Zhang et al. 2020, AIM 2020 challenge).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from srgrid.clock import peak_growth, times
from srgrid.environment import cpu_name
from srgrid.errors import SrgridError
from srgrid.models.guest import Guest, OfImages, reason
from srgrid.models.network import Network
from srgrid.models.patchwork import Patchwork
from srgrid.models.run import answer, computed_in, computing, padded, require_finite
from srgrid.settings import Precision

OUTPUT = (1280, 720)  # width, height
_TRIED = 64  # side of the LR image that a network is tried on when it cannot be counted

_CONVOLUTIONS = (torch.ops.aten.convolution, torch.ops.aten._convolution)
# Operators that multiply, by their names: one that torch has no formula for must not be left out in silence.
_PRODUCTS = re.compile(r"conv|rnn|lstm|gru|attention|(mm|mv|dot|linear|matmul)\b")


@dataclass(frozen=True)
class Counted:
    """What is counted; None of what cannot be, and then the note says why. width, height: of LR, in pixels."""

    parameters: int | None
    multiply_adds: int | None
    activations: int | None
    width: int
    height: int
    note: str = ""


@dataclass(frozen=True)
class Measured:
    """seconds: of each repeat. size: width and height of LR. memory: bytes at the highest; None if the system does not
    tell."""

    seconds: list[float]
    size: tuple[int, int]
    memory: int | None
    device: str
    precision: str


def count(network: Network, output: tuple[int, int] = OUTPUT) -> Counted:
    """Parameters, multiply-adds and activations of a network on the CPU.

    output: width and height of the SR image, which the smallest LR image that gives it is enlarged to.
    Raises SrgridError if the network fails on a real image, too.
    """
    width, height = (-(-side // network.scale) for side in output)
    if isinstance(network.module, Guest) and isinstance(network.module.inner, OfImages):
        note = "a function of images, no nn.Module: what it computes cannot be counted"
        return Counted(None, None, None, width, height, note)
    parameters = network.parameters
    if network.fixed:
        note = f"operations not counted: the network takes {network.fixed[1]} x {network.fixed[0]} pixels alone"
        return Counted(parameters or None, None, None, width, height, note)
    watch = _Watch()
    try:
        with _no_content(), watch, FlopCounterMode(display=False) as counter:
            network.module(padded(torch.empty(1, 3, height, width), network, Patchwork()))
    except Exception as error:
        with torch.inference_mode():
            answer(network, torch.rand(1, 3, _TRIED, _TRIED), Patchwork())
        cause = reason(error.__cause__ or error)
        note = f"operations not counted: the network cannot be run without content ({cause})"
        return Counted(parameters or None, None, None, width, height, note)
    if watch.unknown:
        note = f"multiply-adds not counted: torch has no formula for {', '.join(sorted(watch.unknown))}"
        return Counted(parameters, None, watch.activations, width, height, note)
    return Counted(parameters, counter.get_total_flops() // 2, watch.activations, width, height)


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up what convolutions put out, and notes the products that torch's counter passes over."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.activations = 0
        self.unknown: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        kind = func.overloadpacket
        if kind in _CONVOLUTIONS:
            self.activations += out.numel()
        elif kind not in flop_registry and (func.namespace not in ("aten", "prim") or _PRODUCTS.search(func.name())):
            self.unknown.add(str(kind))
        return out


@contextmanager
def _no_content() -> Iterator[None]:
    """Tensors have shapes alone, and attention is computed by the products that define it."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FakeTensorMode(allow_non_fake_inputs=True):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def measure(
    network: Network, name: str, size: tuple[int, int], warmup: int, repeats: int, precision: Precision = "fp32"
) -> Measured:
    """Seconds and memory of a network's answer to one LR image of noise, width x height, that lies on its device.

    A network that takes one size alone is given that size; one without exact tiles has to fit into memory whole.
    Reading, writing and copying to the device are left out. The first `warmup` answers are not timed. Times are CUDA's
    own on a GPU. Memory is that of the first answer: on a GPU all that is allocated, weights included; on a CPU what
    this process grew by, weights not included, which has to be a fresh one (see `srgrid.clock.peak_growth`).
    name: what messages call it. Raises SrgridError if memory runs out or the answer is not finite.
    """
    device, used = network.device, computed_in(network, network.device, precision)
    size = (network.fixed[1], network.fixed[0]) if network.fixed else size
    cuts = Patchwork()
    x = torch.rand(1, 3, size[1], size[0], generator=torch.Generator().manual_seed(0)).to(device)

    def run() -> Tensor:
        out = answer(network, x, cuts)
        if cuts.used:
            raise SrgridError(
                f"{name}: not enough memory for {size[0]} x {size[1]} pixels at once; take a smaller size"
            )
        return out

    with torch.inference_mode(), computing(device, used):
        out, memory = _cuda_peak(run, device) if device.type == "cuda" else peak_growth(run)
        require_finite(out, [name], network.scale, used)
        del out
        for _ in range(warmup - 1):
            run()
        seconds = _cuda_times(run, repeats, device) if device.type == "cuda" else times(run, repeats)
    shown = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()
    return Measured(seconds, size, memory, shown, used)


def _cuda_peak(run: Callable[[], Tensor], device: torch.device) -> tuple[Tensor, int | None]:
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    out = run()
    torch.cuda.synchronize(device)
    return out, torch.cuda.max_memory_allocated(device)


def _cuda_times(run: Callable[[], Tensor], repeats: int, device: torch.device) -> list[float]:
    found = []
    with torch.cuda.device(device):  # whose stream the events are recorded on
        for _ in range(repeats):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
            torch.cuda.synchronize()
            start.record()
            run()
            end.record()
            torch.cuda.synchronize()
            found.append(start.elapsed_time(end) / 1000)
    return found
