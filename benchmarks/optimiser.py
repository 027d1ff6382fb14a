"""What an optimiser buys: the same small model, data, seed and wall time, and the PSNR on held-out images at the end.

    python benchmarks/optimiser.py PACK [--scale 4] [--minutes 5] [--threads 1]

PACK is a training set made by `srgrid pack`. The contenders run one after another, each annealed to its budget. Adam
at batch 16 is the usual recipe of this field; at batch 8 it differs from ours in the optimiser alone.
"""

import argparse
import tempfile
from pathlib import Path

from srgrid.train import log, recipe, train

CONTENDERS = {
    "muon, batch 8": {"optimiser": "muon", "batch": 8},
    "adam, batch 8": {"optimiser": "adam", "batch": 8},
    "adam, batch 16": {"optimiser": "adam", "batch": 16},
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("pack", type=Path)
    parser.add_argument("--model", default="rcan-bam-s")
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    common = {"minutes": options.minutes, "threads": options.threads, "validate_every": 10**6, "log_every": 1}
    found = {}
    for name, changes in CONTENDERS.items():
        with tempfile.TemporaryDirectory() as folder:
            config = recipe("default", **common, **changes)
            out, state = Path(folder) / f"{options.model}_x{options.scale}.safetensors", Path(folder) / "state"
            summary = train(options.model, options.scale, options.pack, out, state, config)
            losses = [line["loss"] for line in log.read(state) if "loss" in line][-50:]
        found[name] = summary["psnr"]
        print(f"{name:<16}{summary['steps']:6} steps in {summary['seconds']:5.0f} s", end="")
        print(f"   mean loss of the last 50: {sum(losses) / len(losses):.5f}   held-out PSNR {found[name]:.2f} dB")
    ours = found.pop("muon, batch 8")
    for name, psnr in found.items():
        print(f"muon, batch 8 is {ours - psnr:+.2f} dB beside {name}")


if __name__ == "__main__":
    main()
