"""What torch would do on a card, as JSON: run by the tests in a process whose CUDA is stub.c."""

import contextlib
import json
import re
import sys
from types import SimpleNamespace
from unittest import mock

import torch
from pretended import CARD, Heard, network, pretending

from srgrid.data.pack import Pack
from srgrid.models import run
from srgrid.models.patchwork import Patchwork
from srgrid.models.rcan import Rcan
from srgrid.models.rcan_config import RcanConfig
from srgrid.train import recipe
from srgrid.train.batches import Planner, Resident
from srgrid.train.compiling import options
from srgrid.train.learner import Learner
from srgrid.train.team import Team

H100 = SimpleNamespace(
    name="H100", major=9, minor=0, multi_processor_count=132, total_memory=80 << 30, regs_per_multiprocessor=65536,
    max_threads_per_multi_processor=2048, warp_size=32, gcnArchName="", L2_cache_size=50 << 20, uuid="H100",
    max_threads_per_block=1024, shared_memory_per_block=49152, shared_memory_per_block_optin=232448,
)  # fmt: skip


def step(optimiser, path):
    """Operators of the second step, its batch included, that the CPU waits for; and how many it has in all."""
    config = recipe("default", optimiser=optimiser, compile="off", precision="bf16", batch=4, patch=16, held_out=0)
    pack = Pack.open(path)
    planner = Planner(pack, list(range(len(pack))), config)
    with pretending(), mock.patch.object(torch.Tensor, "pin_memory", lambda tensor: tensor):
        batches = Resident(pack, planner, slice(0, 4), CARD)
        learner = Learner(network("rcan-bam-xs", pack.scale), config, Team(0, 1, CARD))
        learner.step(0, *batches(0, 16), 1e-3)
        with Heard() as heard:
            loss = learner.step(1, *batches(1, 16), 1e-3)
    return {"waits": heard.waits, "operators": sum(heard.counts.values()), "device": str(loss.device)}


def inference(kind):
    """Shape and device of an answer, and where the maps between layers were kept."""
    kept = []
    real = torch.empty

    def empty(*shape, device=None, **rest):
        kept.append(str(device))
        return real(*shape, device=device, **rest)

    free = {"stored": 1 << 20}.get(kind, 80 << 30)
    with (
        pretending(),
        torch.inference_mode(),
        mock.patch("srgrid.models.tiles.free_memory", return_value=free),
        mock.patch("srgrid.models.run.free_memory", return_value=80 << 30),
        run.computing(CARD, "fp32"),
    ):
        made = network("rcan-bam-xs", 4)
        x = real(2, 3, 70, 90, device=CARD)
        cuts = Patchwork(None if kind in ("whole", "ensemble") else 32)
        with mock.patch("srgrid.models.tiles.torch.empty", empty):
            out = run._ensemble(made, x, cuts) if kind == "ensemble" else run.answer(made, x, cuts)
    return {"shape": list(out.shape), "device": str(out.device), "kept": sorted({*kept} - {"meta"})}


def launches(blocks):
    """Kernels and other calls of the compiled forward and backward pass of a group of `blocks`, for an H100, and what
    keeps it from being a CUDA graph."""
    import torch._functorch.config
    import torch._inductor.config
    import torch._inductor.graph
    import torch._inductor.output_code
    import triton
    from triton.backends.compiler import GPUTarget

    found = []

    class LoweredError(Exception):
        pass

    def lowered(graph):
        code = graph.codegen()[0].value
        kernels = re.findall(r"^\s+\w+\.run\(", code, re.M)
        calls = re.findall(r"^\s+[^#\n]*(?:extern_kernels|torch\.ops\.aten)\.[\w.]+\(", code, re.M)
        found.append({"kernels": len(kernels), "calls": len(calls), "reason": graph.disable_cudagraphs_reason})

        def call(_):
            raise LoweredError

        return SimpleNamespace(call=call, __file__="", runner=None)

    def boxed(graph, *_):
        graph._boxed_call = True

    target = SimpleNamespace(get_current_target=lambda: GPUTarget("cuda", 90, 32), get_current_device=lambda: 0)
    triton.runtime.driver.set_active(target)
    patches = {
        "torch._inductor.graph.GraphLowering.compile_to_module": lowered,
        "torch._inductor.output_code.CompiledFxGraph.post_compile": lambda graph, *_: setattr(
            graph, "_boxed_call", True
        ),
        "torch._inductor.scheduler.has_triton": lambda *_: True,
        "torch.cuda._get_device_properties": lambda *_: H100,
        "torch.cuda.get_device_capability": lambda *_: (9, 0),
        "torch.cuda.current_device": lambda: 0,
        "torch.cuda._lazy_init": lambda: None,
        "torch._inductor.config.fx_graph_cache": False,
        "torch._inductor.config.joint_graph_constant_folding": False,  # would compute on the card
        "torch._functorch.config.enable_autograd_cache": False,
        "torch._functorch.config.force_non_lazy_backward_lowering": True,
    }
    with contextlib.ExitStack() as stack:
        for name, value in patches.items():
            stack.enter_context(mock.patch(name, value, **({"create": True} if "_get_device" in name else {})))
        stack.enter_context(pretending())
        with CARD:
            model = Rcan(RcanConfig(groups=1, blocks=int(blocks)))
        model.to(memory_format=torch.channels_last)
        x = torch.empty(16, 3, 48, 48, device=CARD).to(memory_format=torch.channels_last)
        with contextlib.suppress(LoweredError, TypeError):
            torch.compile(model, **options(CARD))(x)
    return found


TRACES = {
    "steps": lambda path: {name: step(name, path) for name in ("adam", "adamw", "lamb", "muon")},
    "inference": lambda: {kind: inference(kind) for kind in ("whole", "tiled", "ensemble", "stored")},
    "launches": launches,
}

if __name__ == "__main__":
    torch.cuda.is_available = lambda: False  # no tensor with content can be made there
    print(json.dumps(TRACES[sys.argv[1]](*sys.argv[2:])))
