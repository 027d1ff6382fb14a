"""The workflow where jobs share no file system: each fetches its inputs from a storage and leaves its outputs there."""

import filecmp
import importlib.util
import os
import shutil
import subprocess

import pytest
import yaml
from running import ROOT, command, read

CHANGES = {"scales": [2], "figures": {"images": 1}}
RAN = "results/tiny"


@pytest.mark.skipif(
    not importlib.util.find_spec("snakemake_storage_plugin_fs"), reason="no snakemake-storage-plugin-fs"
)
@pytest.mark.skipif(not shutil.which("rsync"), reason="no rsync")
@pytest.mark.slow
def test_a_run_without_a_shared_file_system(finished, tmp_path):
    """Grid, card and weights are in the storage, and those of a run without one; only the state lies elsewhere."""
    changes = {**CHANGES, "train": {"state": str(tmp_path / "state")}}
    words = command(tmp_path / "work", "--show-failed-logs", changes=changes)
    storage = ["--default-storage-provider", "fs", "--default-storage-prefix", str(tmp_path / "store")]
    at = words.index("--configfile")
    environment = {k: v for k, v in os.environ.items() if k != "SRGRID_MIRROR"}
    words = [*words[:at], *storage, "--shared-fs-usage", "none", *words[at:]]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=590, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    made, plain = tmp_path / "store" / RAN, finished / RAN
    assert read(made / "grid.csv") == [row for row in read(plain / "grid.csv") if row["scale"] == "2"]
    weights = "weights/rcan-bam-xs_x2.safetensors"
    assert filecmp.cmp(made / weights, plain / weights, shallow=False)
    assert (made / "model_card.html").is_file()
    assert (tmp_path / "state/tiny/rcan-bam-xs_x2/log.jsonl").is_file()
    left = {path.relative_to(tmp_path / "work").as_posix() for path in (tmp_path / "work").glob("[!.]*/*")}
    assert left <= {"resources/compiled"}  # PyTorch's cache


@pytest.mark.skipif(
    not importlib.util.find_spec("snakemake_executor_plugin_kubernetes"),
    reason="no snakemake-executor-plugin-kubernetes",
)
def test_the_kubernetes_profile_is_planned(tmp_path):
    """A dry run, on another storage than the profile's, which would be asked over the network."""
    profile = ["--workflow-profile", str(ROOT / "profiles/kubernetes"), "--container-image", "localhost/srgrid"]
    storage = ["--default-storage-provider", "fs", "--default-storage-prefix", str(tmp_path / "store")]
    words = command(tmp_path / "work", "--dry-run", changes=CHANGES)
    at = words.index("--configfile")
    words = [*words[:at], *profile, *storage, *words[at:]]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "This was a dry-run" in done.stdout + done.stderr


def test_profiles_name_rules_of_the_workflow():
    rules = {word for file in (ROOT / "workflow/rules").glob("*.smk") for word in file.read_text().split()}
    for file in (ROOT / "profiles").glob("*/config.yaml"):
        profile = yaml.safe_load(file.read_text())
        assert profile["rerun-incomplete"] is profile["nolock"] is True, file
        for rule in profile.get("groups", {}):
            assert rule in rules or f"{rule}:" in rules, rule
