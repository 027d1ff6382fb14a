"""A small training set from scikit-image's photographs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from skimage import data

from srgrid import images
from srgrid.data.pack import pack

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def packs(tmp_path_factory):
    """scale -> a pack of six crops of photographs of different sizes, one of them grey."""
    folder = tmp_path_factory.mktemp("photographs")
    crops = {
        "astronaut": data.astronaut()[:120, 100:260],
        "cat": data.chelsea()[40:160, 100:260],
        "coffee": data.coffee()[100:208, 200:330],
        "rocket": data.rocket()[200:320, 250:400],
        "camera": data.camera()[100:220, 150:300],
        "coins": data.coins()[:110, :140],
    }
    for name, crop in crops.items():
        images.write(folder / "HR" / f"{name}.png", crop)
    made = {}
    for scale in (2, 3, 4):
        made[scale] = folder / f"x{scale}.srpack"
        pack([folder / "HR"], scale, made[scale])
    return made


@pytest.fixture(scope="session")
def on_a_pretended_card(tmp_path_factory):
    """Runs a script beside this file in a process that sees a card which is not there; returns what it prints."""
    if torch.version.cuda is None:
        pytest.skip("torch is the CPU build")
    if shutil.which("cc") is None:
        pytest.skip("no C compiler for the stub of CUDA")
    folder = tmp_path_factory.mktemp("cuda")
    stub = folder / "libcuda.so.1"
    subprocess.run(["cc", "-w", "-shared", "-fPIC", "-o", stub, HERE / "stub.c"], check=True)
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("LD_LIBRARY_PATH")]))
    variables = os.environ | {"LD_PRELOAD": str(stub), "LD_LIBRARY_PATH": path}

    def run(script, *words):
        command = [sys.executable, HERE / script, *map(str, words)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=500, env=variables)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run
