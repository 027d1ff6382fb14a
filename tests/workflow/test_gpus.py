"""Who asks for a GPU: every step that runs a network, unless the device is the CPU; this machine gives what it has."""

import os
import re

import pytest
from running import run

STEPS = {"train", "upscale", "upscale_float"}


def planned(folder, cards, device, *words):
    """For each rule that may run a network: what its jobs ask for, and the devices that they are told."""
    tools = folder / "bin"
    tools.mkdir(parents=True)
    stub = tools / "nvidia-smi"
    stub.write_text("#!/bin/sh\n" + ("printf '580.65\\n%.0s' " + " ".join("x" * cards) if cards else "exit 9") + "\n")
    stub.chmod(0o755)
    changes = {"methods": ["rcan-bam-xs"], "audit": False, "compute": {"device": device}}
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    done = run(folder, "--dry-run", "--printshellcmds", *words, changes=changes, PATH=path)
    assert done.returncode == 0, done.stderr
    found = {}
    for rule, job in re.findall(r"^rule (\w+):\n(.*?)(?:\n\n|\Z)", done.stdout + done.stderr, re.M | re.S):
        if rule in STEPS:
            asked = int(re.search(r"gpu=(\d+)", job).group(1))
            found.setdefault(rule, set()).add((asked, re.search(r"--device (\S+)", job).group(1)))
    return found


@pytest.mark.parametrize(
    ("cards", "device", "asked"),
    [(0, "auto", (0, "cpu")), (2, "auto", (1, "cuda")), (2, "cpu", (0, "cpu")), (0, "cuda:1", (1, "cuda:1"))],
)
def test_steps_that_run_a_network_ask_for_a_gpu_that_is_there(tmp_path, cards, device, asked):
    assert planned(tmp_path, cards, device) == {step: {asked} for step in STEPS}


def test_a_limit_of_the_user_stands(tmp_path):
    assert planned(tmp_path, 2, "auto", "--resources", "gpu=0") == {step: {(0, "cpu")} for step in STEPS}
