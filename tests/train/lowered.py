"""The compiled step of a group of blocks, lowered for an H100 that is not there, as JSON: run by the tests in a process
whose CUDA is stub.c."""

import contextlib
import json
import re
import sys
from types import SimpleNamespace
from unittest import mock

import torch
import torch._functorch.config
import torch._inductor.config
import torch._inductor.graph
import torch._inductor.output_code
import triton
from pretended import CARD, pretending
from triton.backends.compiler import GPUTarget

from srgrid.models.rcan import Rcan
from srgrid.models.rcan_config import RcanConfig
from srgrid.train.compiling import options

H100 = SimpleNamespace(
    name="H100", major=9, minor=0, multi_processor_count=132, total_memory=80 << 30, regs_per_multiprocessor=65536,
    max_threads_per_multi_processor=2048, warp_size=32, gcnArchName="", L2_cache_size=50 << 20, uuid="H100",
    max_threads_per_block=1024, shared_memory_per_block=49152, shared_memory_per_block_optin=232448,
)  # fmt: skip
PATCHES = {
    "torch._inductor.output_code.CompiledFxGraph.post_compile": lambda graph, *_: setattr(graph, "_boxed_call", True),
    "torch._inductor.scheduler.has_triton": lambda *_: True,
    "torch.cuda._get_device_properties": lambda *_: H100,
    "torch.cuda.get_device_capability": lambda *_: (9, 0),
    "torch.cuda.current_device": lambda: 0,
    "torch.cuda._lazy_init": lambda: None,
    "torch.cuda.is_available": lambda: False,  # no tensor with content can be made there
    "torch._inductor.config.fx_graph_cache": False,
    "torch._inductor.config.joint_graph_constant_folding": False,  # would compute on the card
    "torch._functorch.config.enable_autograd_cache": False,
    "torch._functorch.config.force_non_lazy_backward_lowering": True,
}


class LoweredError(Exception):
    """Stands for the call of code that no card can run."""


def launches(blocks: int, attention: str) -> list[dict[str, object]]:
    """Of the forward pass, then of the backward pass, in fp32 (autocast asks the driver): kernels of Triton, calls of
    libraries, and into how many CUDA graphs the code falls, or why into none."""
    found = []

    def lowered(graph):
        code = graph.codegen()[0].value
        found.append(
            {
                "kernels": len(re.findall(r"^\s+\w+\.run\(", code, re.MULTILINE)),
                "calls": len(re.findall(r"= (?:extern_kernels|torch\.ops)\.[\w.]+\(", code)),
                "parts": len(re.findall(r"^def partition_\d+\(", code, re.MULTILINE)),
                "reason": graph.disable_cudagraphs_reason,
            }
        )

        def call(_):
            raise LoweredError

        return SimpleNamespace(call=call, __file__="", runner=None)

    target = SimpleNamespace(get_current_target=lambda: GPUTarget("cuda", 90, 32), get_current_device=lambda: 0)
    triton.runtime.driver.set_active(target)
    with contextlib.ExitStack() as stack:
        for name, value in PATCHES.items():
            stack.enter_context(mock.patch(name, value, **({"create": True} if "_get_device" in name else {})))
        stack.enter_context(mock.patch("torch._inductor.graph.GraphLowering.compile_to_module", lowered))
        stack.enter_context(pretending())
        with CARD:
            model = Rcan(RcanConfig(groups=1, blocks=blocks, attention=attention))
        model.to(memory_format=torch.channels_last)
        x = torch.empty(16, 3, 48, 48, device=CARD).to(memory_format=torch.channels_last)
        with contextlib.suppress(LoweredError, TypeError):
            torch.compile(model, **options(CARD))(x)
    return found


if __name__ == "__main__":
    print(json.dumps(launches(int(sys.argv[1]), sys.argv[2])))
