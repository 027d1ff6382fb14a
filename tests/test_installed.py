"""A wheel, installed outside the repository: the commands, and the workflow that it lays out."""

import csv
import os
import shutil
import site
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

import srgrid
from srgrid.cli import app
from srgrid.errors import SrgridError
from srgrid.installed import lay_out, runs, shared

ROOT = Path(__file__).resolve().parents[1]


def run(*words, folder):
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SRGRID_MIRROR", "SRGRID_MODELS")}
    done = subprocess.run(
        list(map(str, words)), check=False, capture_output=True, text=True, timeout=500, cwd=folder, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of an environment that holds the wheel; of what it depends on, this environment's copies."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"
    tracked = run("git", "ls-files", "-co", "--exclude-standard", folder=ROOT).splitlines()
    for name in (name for name in tracked if not name.startswith(("results/", "tests/"))):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    pip = (sys.executable, "-m", "pip", "--quiet")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", folder, source, folder=folder)
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", folder=folder)
    made = folder / "venv/bin/python"
    run(*pip, "--python", made, "install", "--no-deps", "--no-index", *folder.glob("*.whl"), folder=folder)
    packages = run(made, "-c", "import site; print(site.getsitepackages()[0])", folder=folder).strip()
    Path(packages, "others.pth").write_text("\n".join(site.getsitepackages()))
    return made


@pytest.fixture
def command(python):
    return python.with_name("srgrid")


def test_the_wheel_is_what_runs(python, tmp_path):
    where = run(python, "-c", "import srgrid; print(srgrid.__file__, srgrid.__version__)", folder=tmp_path).split()
    assert where[0].startswith(str(python.parents[1]))
    assert where[1] == srgrid.__version__
    assert Path(where[0]).with_name("py.typed").is_file()


def test_images_are_reduced_enlarged_and_scored(command, photo_dir, tmp_path):
    run(command, "lr", "HR", "LR", "--scale", "2", folder=tmp_path)
    run(command, "upscale", "LR", "SR", "--model", "rcan-bam-s", "--scale", "2", folder=tmp_path)
    assert "mean" in run(command, "score", "SR", "HR", "--scale", "2", folder=tmp_path)
    assert "lanczos" in run(command, "bench", "lanczos", "--dataset", "own=HR/", "--scale", "2", folder=tmp_path)


def test_the_workflow_runs_where_it_is_laid_out(command, python, tmp_path):
    said = run(command, "workflow", "demo", "mine", folder=tmp_path)
    assert said == "cd mine && snakemake --cores 2 --configfile config/demo.yaml\n"
    few = {"scales": [2], "methods": ["rcan-bam-xs", "rcan-bam-s"], "train": {"settings": {"steps": 4}}}
    (tmp_path / "mine/few.yaml").write_text(yaml.safe_dump(few))
    snakemake = (python, "-m", "snakemake", "--cores", "2", "scores", "--configfile", "config/demo.yaml", "few.yaml")
    run(*snakemake, folder=tmp_path / "mine")
    with (tmp_path / "mine/results/demo/grid.csv").open(newline="") as file:
        assert [row["method"] for row in csv.DictReader(file)] == few["methods"]


def test_every_file_of_the_workflow_is_in_the_wheel(python):
    """setuptools copies no folders: a new one has to be named in pyproject.toml."""
    place = python.parents[1] / "share/srgrid"
    held = {str(path.relative_to(place)) for path in place.rglob("*")}
    parts = ("Snakefile", "config.yaml", "config", "envs", "examples", "profiles", "workflow")
    kept = run("git", "ls-files", "-co", "--exclude-standard", *parts, folder=ROOT).splitlines()
    assert len(kept) > 20
    assert {name for name in kept if (ROOT / name).exists()} <= held


def test_a_folder_that_holds_anything_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    with pytest.raises(SrgridError, match="was not made by srgrid"):
        lay_out("demo", tmp_path / "mine")
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "notes.txt"]


def test_an_unknown_run_is_named(tmp_path):
    done = CliRunner().invoke(app, ["workflow", "demoo", str(tmp_path / "mine")])
    assert "choose one of bicubic, demo, published" in str(done.exception)
    assert not (tmp_path / "mine").exists()


def test_runs_are_the_configs():
    assert shared() == ROOT
    assert {"demo", "published"} <= set(runs())


def test_the_version_stands_in_one_place():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "srgrid.__version__"}
    assert f"\n## {srgrid.__version__}\n" in (ROOT / "CHANGELOG.md").read_text()
    assert "version" not in yaml.safe_load((ROOT / "CITATION.cff").read_text())


def test_every_data_file_of_the_package_is_in_the_wheel():
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["srgrid"]
    package = ROOT / "src/srgrid"
    held = {file for pattern in patterns for file in package.glob(pattern)}
    listed = subprocess.run(["git", "ls-files", package], cwd=ROOT, capture_output=True, text=True, check=True)
    files = {ROOT / name for name in listed.stdout.splitlines() if not name.endswith(".py")}
    assert files
    assert files <= held
