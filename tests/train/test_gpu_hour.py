"""benchmarks/gpu_hour.py on the CPU with a tiny model: a report, weights in parts, and a training that goes on."""

import json
import os
import subprocess
import sys
from pathlib import Path

from safetensors.torch import load

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu_hour.py"
SETTINGS = {"batch": 2, "patch": 12, "steps": 10**6, "held_out": 1, "threads": 1, "device": "cpu", "compile": "off"}


def test_a_piece_of_training_ends_in_time_and_the_next_goes_on(packs, tmp_path):
    out, state = tmp_path / "out", tmp_path / "state"
    words = [sys.executable, SCRIPT, out, "--state", state, "--pack", packs[4], "--piece", "train", "--recipe", "demo"]
    tiny = ["--model", "rcan-bam-xs", "--minutes", "0.25", "--part", "100000", "--settings", json.dumps(SETTINGS)]
    steps = set()
    for _ in range(8):  # a busy machine may not come to a step in a piece
        subprocess.run([*words, *tiny], check=True, env=os.environ, timeout=120)
        found = json.loads((out / "train.json").read_text())
        assert found["status"] == 143, found  # stopped by SIGTERM, with a checkpoint
        steps |= {found["step"]} if found.get("step") else set()
        if len(steps) == 2:
            break
    assert len(steps) == 2
    assert max(steps) == found["step"]
    raw = b"".join((out / name).read_bytes() for name in found["parts"])
    assert len(found["parts"]) == -(-len(raw) // 100000) > 1
    assert all(str(value.dtype) == "torch.float16" for value in load(raw).values())
    assert f"step {max(steps)} after" in (out / "report.md").read_text()
