"""The workflow in other hands: as a module, from elsewhere, from a source that cannot be written, beside other runs."""

import os
import shutil
import subprocess
import sys

import pytest
import yaml
from running import ROOT, read, run

PART = {
    "run": "inner",
    "datasets": ["sample"],
    "scales": [2],
    "methods": ["bicubic", "rcan-bam-s"],
    "protocols": ["rgb8"],
    "weights": {"rcan-bam-s": "models/rcan-bam-s_x{scale}.safetensors"},
    "audit": False,
}
OUTER = f"""\
configfile: "outer.yaml"


shell.prefix("export OUTER=theirs; ")


module sr:
    snakefile: "{ROOT}/workflow/Snakefile"
    config: config["sr"]
    prefix: "inner"


use rule * from sr as sr_*


rule both:
    default_target: True
    input:
        rules.sr_scores.input,
        "own.txt",


rule own:
    output:
        "own.txt",
    params:
        config=config["sr"],
    shell:
        "echo \\"$OUTER {{params.config}}\\" > {{output}}"
"""


# Rules that the other workflow has before it: with functions of Python's and of Snakemake's own, and of its own.
EARLIER = """\
class Own:
    def name(self, wildcards, output):
        return f"own of {output[0]}"


rule earlier:
    output:
        "deep/earlier.txt",
    params:
        folder=subpath(output[0], parent=True),
        number=len,
        name=Own().name,
    shell:
        "echo {params.folder} {params.number} {params.name} > {output}"


"""


def snakemake(folder, *words):
    environment = {k: v for k, v in os.environ.items() if k != "SRGRID_MIRROR"}
    head = [sys.executable, "-m", "snakemake", "--directory", str(folder), "--cores", "2"]
    return subprocess.run(
        [*head, *words], check=False, capture_output=True, text=True, timeout=500, env=environment, cwd=folder
    )


@pytest.fixture
def outer(tmp_path):
    (tmp_path / "outer.yaml").write_text(yaml.safe_dump({"sr": PART}, sort_keys=False))
    (tmp_path / "Snakefile").write_text(OUTER)
    return tmp_path


def test_it_is_a_module_with_part_of_a_config_and_a_prefix(outer):
    """All that it makes is under the prefix, and the other workflow's shell prefix and config are as that left them."""
    done = snakemake(outer)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row["method"] for row in read(outer / "inner/results/inner/grid.csv")] == PART["methods"]
    assert (outer / "own.txt").read_text() == f"theirs {PART}\n"
    held = {path.name for path in outer.iterdir()} - {".snakemake"}
    assert held == {"Snakefile", "outer.yaml", "own.txt", "inner"}


def test_the_rules_of_the_other_workflow_work_as_they_did(outer):
    (outer / "Snakefile").write_text(EARLIER + OUTER)
    done = snakemake(outer, "deep/earlier.txt")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (outer / "deep/earlier.txt").read_text() == "deep 0 own of deep/earlier.txt\n"


def test_a_step_that_fails_in_a_module_stops_it(outer):
    """Without pipefail, which the other workflow's prefix leaves out, a failure before the pipe would go unnoticed."""
    assert snakemake(outer, "inner/resources/verified/sample.json").returncode == 0
    image = outer / "inner/resources/HR/sample/chelsea.png"
    image.write_bytes(image.read_bytes()[:500])
    (outer / "inner/resources/verified/sample.json").unlink()
    done = snakemake(outer, "inner/resources/verified/sample.json")
    assert done.returncode != 0
    assert "chelsea.png" in done.stdout + done.stderr


def test_the_source_may_be_read_only_and_elsewhere(tmp_path):
    """Without its write bits, from another folder, by the file in workflow/; nothing is written there."""
    source = tmp_path / "source"
    for name in ("workflow", "config", "config.yaml", "src", "models", "envs", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        source.mkdir(exist_ok=True)
        copy(ROOT / name, source / name)
    before = {path: path.stat().st_mtime_ns for path in source.rglob("*")}
    for path in before:
        path.chmod(path.stat().st_mode & ~0o222)
    (tmp_path / "part.yaml").write_text(yaml.safe_dump(PART))
    words = ("--snakefile", str(source / "workflow/Snakefile"), "--configfile", str(tmp_path / "part.yaml"))
    (tmp_path / "work").mkdir()
    done = snakemake(tmp_path / "work", "results/inner/SR/rcan-bam-s/matlab-8bit/sample/x2", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path: path.stat().st_mtime_ns for path in source.rglob("*") if "__pycache__" not in str(path)} == {
        path: when for path, when in before.items() if "__pycache__" not in str(path)
    }


@pytest.mark.parametrize("method", ["conda", "apptainer", "env-modules"])
def test_software_from_elsewhere_is_planned(tmp_path, method):
    """The rules then call that environment's `python`; a dry run, which Snakemake makes where the program is alone."""
    if method != "env-modules" and not shutil.which(method):
        pytest.skip(f"no {method}")
    software = {"software": {"container": "docker://localhost/srgrid", "modules": ["srgrid"]}}
    done = run(tmp_path, "--dry-run", "--printshellcmds", "--sdm", method, changes=software)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " python -m srgrid lr " in done.stdout
    assert sys.executable not in done.stdout
