"""The workflow through a real Slurm: sbatch, memory that is enforced, a training that is cancelled and goes on."""

import filecmp
import importlib.util
import json
import subprocess
import sys

import pytest
import slurm
from running import ROOT, command, read

SETTINGS = {"steps": 400, "checkpoint_every": 20, "batch": 4}
COMPUTE = {"threads": 1, "device": "cpu"}  # the node has no GPU
CHANGES = {"scales": [2], "protocols": ["rgb8"], "train": {"settings": SETTINGS}, "compute": COMPUTE}
WEIGHTS = "results/tiny/weights/rcan-bam-xs_x2.safetensors"
STATE = "results/tiny/state/rcan-bam-xs_x2"

pytestmark = [
    pytest.mark.skipif(bool(slurm.lacking()), reason=slurm.lacking()),
    pytest.mark.skipif(
        not importlib.util.find_spec("snakemake_executor_plugin_slurm"),
        reason="no snakemake-executor-plugin-slurm: pip install '.[slurm]'",
    ),
    pytest.mark.timeout(1500),
]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    with slurm.cluster(tmp_path_factory.mktemp("slurm")) as environment:
        yield environment


def test_memory_is_enforced(environment, tmp_path):
    """Otherwise what the rules ask for would say nothing."""
    greedy = f"{sys.executable} -c 'print(len(bytearray(600 * 2**20)))'"
    for megabytes, held in ((200, ""), (1500, f"{600 * 2**20}\n")):
        words = ["sbatch", "--wait", f"--mem={megabytes}", f"--output={tmp_path}/{megabytes}.txt", "--wrap", greedy]
        done = subprocess.run(words, check=False, env=environment, timeout=120)
        assert (done.returncode == 0) == bool(held)
        assert ((tmp_path / f"{megabytes}.txt").read_text() == held) or not held


def test_a_grid_by_sbatch_whose_training_was_cancelled(environment, tmp_path):
    """A retry goes on from the checkpoint; the weights are those of a training that nobody disturbed."""
    words = command(tmp_path, "scores", "--workflow-profile", str(ROOT / "profiles/slurm"), changes=CHANGES)
    # No accounting here, and a node that answers at once.
    fast = ["--slurm-status-command", "squeue", "--slurm-no-account", "--seconds-between-status-checks", "2"]
    fast += ["--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "5"]
    at = words.index("--configfile")
    with (tmp_path / "log").open("w") as log:
        run = subprocess.Popen([*words[:at], *fast, *words[at:]], stdout=log, stderr=log, env=environment)
    slurm.wait(lambda: list((tmp_path / STATE).glob("step-*.ckpt")) or run.poll() is not None, "a checkpoint", 900)
    assert run.poll() is None, (tmp_path / "log").read_text()
    jobs = slurm.asked(["squeue", "-h", "-o", "%i %k"], environment).splitlines()
    (training,) = (line.split()[0] for line in jobs if "train" in line)
    slurm.asked(["scancel", training], environment)
    assert run.wait(timeout=1200) == 0, (tmp_path / "log").read_text()
    said = (tmp_path / "log").read_text()
    assert "Trying to restart job" in said
    assert [row["method"] for row in read(tmp_path / "results/tiny/grid.csv")] == ["bicubic", "rcan-bam-xs"]
    undisturbed(tmp_path)
    assert filecmp.cmp(tmp_path / WEIGHTS, tmp_path / "alone_x2.safetensors", shallow=False)


def undisturbed(folder):
    """The same training in one go."""
    head = [sys.executable, "-m", "srgrid", "train", "--model", "rcan-bam-xs", "--scale", "2", "--recipe", "demo"]
    files = ["--pack", "resources/pack/sample-train_x2.srpack", "--out", "alone_x2.safetensors", "--state", "alone"]
    settings = json.dumps({"seed": 0, "device": "cpu", **SETTINGS})
    subprocess.run([*head, *files, "--settings", settings, "--threads", "1"], check=True, cwd=folder, timeout=900)
