"""Runs of the whole workflow, as a user starts them, on the embedded photographs with a model trained for seconds."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
TINY = {
    "run": "tiny",
    "methods": ["bicubic", "rcan-bam-xs"],
    "scales": [2, 3],
    "protocols": ["rgb8", "super-image"],
    "train": {"settings": {"steps": 12, "checkpoint_every": 3, "batch": 4}},
    "figures": {"crop": 48},
}


def merged(base, changes):
    return {**base, **{k: merged(base.get(k, {}), v) if isinstance(v, dict) else v for k, v in changes.items()}}


def command(folder, *arguments, changes=None, snakefile=ROOT / "Snakefile"):
    file = folder / "tiny.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(merged(TINY, changes or {}), sort_keys=False))
    demo = ROOT / "config" / "demo.yaml"
    head = [sys.executable, "-m", "snakemake", "--snakefile", snakefile, "--directory", folder, "--cores", "2"]
    return [*map(str, head), *arguments, "--configfile", str(demo), str(file)]


def run(folder, *arguments, changes=None, snakefile=ROOT / "Snakefile", **variables):
    environment = {k: v for k, v in os.environ.items() if k != "SRGRID_MIRROR"} | variables
    words = command(folder, *arguments, changes=changes, snakefile=snakefile)
    return subprocess.run(words, check=False, capture_output=True, text=True, timeout=500, env=environment)


def bench(folder, *words):
    """A table by `srgrid bench` in a folder; returns the folder of its files."""
    head = [sys.executable, "-m", "srgrid", "bench"]
    environment = {key: value for key, value in os.environ.items() if key != "SRGRID_MIRROR"}
    out = ["--out", str(folder / "benched")]
    subprocess.run([*head, *map(str, words), *out], check=True, cwd=folder, timeout=500, env=environment)
    return folder / "benched"


def planned(folder, **options):
    """Rules a dry run would execute, with their counts."""
    done = run(folder, "--dry-run", **options)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in (done.stdout + done.stderr).splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[0].isidentifier() and row[1].isdigit()}


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
