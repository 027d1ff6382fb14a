"""What the workflow declares has to agree with the rest of the repository."""

import csv
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from itertools import chain, pairwise
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from srgrid.config import check
from srgrid.configuration import MOVED
from srgrid.errors import SrgridError

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())


def locked():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pairs = (line.split("==") for line in lines if "==" in line)
    return {name.lower().replace("_", "-"): version for name, version in pairs}


@pytest.mark.parametrize("file", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda p: p.name)
def test_conda_environments_have_the_locked_versions(file):
    entries = yaml.safe_load(file.read_text())["dependencies"]
    pins = next(entry["pip"] for entry in entries if isinstance(entry, dict))
    assert pins
    for pin in pins:
        name, version = pin.split("==")
        assert locked()[name.lower().replace("_", "-")] == version


def test_the_lock_lies_within_the_ranges_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [Requirement(text) for text in chain(project["dependencies"], *project["optional-dependencies"].values())]
    assert [str(one) for one in asked if "==" in str(one)] == []
    of_ours = {one.name.lower().replace("_", "-"): one.specifier for one in asked}
    assert {"torch", "numpy", "snakemake"} <= of_ours.keys() & locked().keys()
    for name in of_ours.keys() & locked().keys():
        assert of_ours[name].contains(locked()[name]), name


def test_torch_is_the_same_version_everywhere():
    assert locked()["torch"] == "2.13.0"
    assert "torch==2.13.0" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("file", [None, *sorted((ROOT / "config").glob("*.yaml"))], ids=str)
def test_shipped_configs_are_valid(file):
    changes = yaml.safe_load(file.read_text()) if file else {}
    merged = {k: {**v, **changes.get(k, {})} if isinstance(v, dict) else changes.get(k, v) for k, v in CONFIG.items()}
    check({**changes, **merged}, SCHEMA)


def test_every_key_of_the_config_is_commented_and_known():
    schema = yaml.safe_load(SCHEMA.read_text())
    assert set(schema["properties"]) == set(CONFIG)
    lines = (ROOT / "config.yaml").read_text().splitlines()
    for before, line in pairwise(lines):
        if re.match(r"\s*[a-z_]+: ", line):
            assert before.strip().startswith("#"), line


EVERY_RULE_SAYS = ("log:", "benchmark:", "conda:", "envmodules:", "output:", "threads:", "mem_mb=", "runtime=")


def test_every_rule_says_what_it_writes_and_takes():
    for file in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for name, body in re.findall(r"^rule (\w+):\n((?:[ \t]+.*\n|\n)+)", file.read_text(), re.M):
            for directive in EVERY_RULE_SAYS:
                assert directive in body, f"{file.name}: rule {name} has no {directive}"


def rules():
    """Name and body of every rule that runs a command."""
    for file in sorted((ROOT / "workflow/rules").glob("*.smk")):
        yield from re.findall(
            r"^ *(?:use )?rule (?:\w+ as )?(\w+)[^\n]*:\n((?:[ \t]+.*\n|\n)+)", file.read_text(), re.M
        )


def test_every_rule_says_which_code_makes_its_output():
    """Results of another version are planned again: all but trainings, which months of work went into."""
    said = {name: re.findall(r'code\("([\w.]+)"\)', body) for name, body in rules()}
    assert {name for name, modules in said.items() if not modules} == {"train"}
    for name, modules in said.items():
        for module in modules:
            assert importlib.util.find_spec(f"srgrid.{module}"), f"{name}: there is no srgrid.{module}"


def test_what_is_computed_from_hr_images_waits_until_they_are_verified():
    bodies = dict(rules())
    for name in ("lr", "pack_hr", "score", "score_choices", "sr"):
        assert re.search(r"^ {8,}hr=.*hr_dir\(", bodies[name], re.M), name
        assert re.search(r"^ {8,}verified=.*verified\(", bodies[name], re.M), name
    assert re.search(r"^    input:\n        rules\.pack_hr\.output,\n", bodies["pack"], re.M)


def test_planning_imports_nothing_heavy():
    """Every Snakemake process, and each Slurm job two of them, imports what common.smk does."""
    text = (ROOT / "workflow/rules/common.smk").read_text()
    lines = re.findall(r"^(?:from srgrid\S* )?import .*$", text, re.M)
    assert len(lines) > 15
    heavy = {"torch", "scipy", "skimage", "pandas", "matplotlib", "datasets", "pyarrow", "rich", "safetensors"}
    code = "\n".join([*lines, f"sys.exit(', '.join({heavy} & sys.modules.keys()) or None)"])
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scalez": [2]}, "scalez: unknown key; did you mean scales?"),
        ({"run": "../escape"}, "run:"),
        ({"compute": {**CONFIG["compute"], "device": "tpu"}}, "compute.device: 'tpu' is not one of"),
        ({"train": {**CONFIG["train"], "threads": 4}}, "train.threads: is compute.threads now"),
        ({"train": {**CONFIG["train"], "device": "cpu"}}, "train.device: is compute.device now"),
        ({"upscale": {**CONFIG["upscale"], "precision": "bf16"}}, "upscale.precision: is compute.precision now"),
        ({"datasets": []}, "datasets:"),
        ({"scales": [2, 2]}, "scales:"),
    ],
)
def test_messages_name_the_key(change, words):
    with pytest.raises(SrgridError) as caught:
        check({**CONFIG, **change}, SCHEMA, MOVED)
    assert words in str(caught.value)


def test_the_reference_run_reproduces_the_cards_bicubic_column():
    with (ROOT / "results/published/audit.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if "card" in r["source"] and r["method"] == "bicubic"]
    assert len(rows) == 11
    assert {row["verdict"] for row in rows} == {"reproduced"}


def test_runs_are_planned_in_little(tmp_path):
    """By benchmarks/workflow_speed.py, whose other parts take minutes; docs/scaling.md has what they gave."""
    script, room = ROOT / "benchmarks/workflow_speed.py", tmp_path / "room"
    words = [script, "--mirror", tmp_path, "--folder", room, "--only", "plan", "methods"]
    done = subprocess.run([sys.executable, *words], check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.findall(r"(\w+): a dry run of (\d+) jobs +[\d.]+ s +([\d.]+) s CPU +(\d+) MB\n", done.stdout)
    (_, jobs, cpu, megabytes), (_, many, _, most) = [(name, *map(float, numbers)) for name, *numbers in found]
    assert jobs <= 237  # 26 of them for the audit's LR images that are never rounded
    assert cpu < 20
    assert megabytes < 200
    # What Snakemake keeps of a job of 100 networks; 31.7 kB where files have more names, and lists hold paths.
    assert (most - megabytes) / (many - jobs) < 0.0306
