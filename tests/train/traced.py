"""What torch would do on a card, as JSON: run by the tests in a process whose CUDA is stub.c."""

import json
import sys
from unittest import mock

import torch
from pretended import CARD, Heard, network, pretending

from srgrid.data.pack import Pack
from srgrid.models import run
from srgrid.models.patchwork import Patchwork
from srgrid.train import recipe
from srgrid.train.batches import Planner, Resident
from srgrid.train.learner import Learner
from srgrid.train.team import Team


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


TRACES = {
    "steps": lambda path: {name: step(name, path) for name in ("adam", "adamw", "lamb", "muon")},
    "inference": lambda: {kind: inference(kind) for kind in ("whole", "tiled", "ensemble", "stored")},
}

if __name__ == "__main__":
    torch.cuda.is_available = lambda: False  # no tensor with content can be made there
    print(json.dumps(TRACES[sys.argv[1]](*sys.argv[2:])))
