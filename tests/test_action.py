"""The Action's steps and the hooks on someone else's repository: green as it is, red after one digit is changed."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from srgrid.report.card import render_grid
from srgrid.report.cardata import gather

ROOT = Path(__file__).parents[1]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
HOOKS = {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
SAMPLE = ROOT / "results/sample"


@pytest.fixture
def repository(tmp_path):
    """A git repository with weights, a finished run, and a README of its grid and model-index."""
    place = tmp_path / "theirs"
    shutil.copytree(SAMPLE, place / "results/mine")
    shutil.copytree(ROOT / "models", place / "models")
    (place / "README.md").write_text(render_grid(gather(SAMPLE)) + "\nMade with srgrid.\n")
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "x"]):
        subprocess.run(["git", *words], check=True, cwd=place)
    return place


def change_a_digit(repository):
    """In the README's grid: the last digit of a printed PSNR."""
    readme = repository / "README.md"
    text = readme.read_text()
    found = re.search(r"^\| sample \| x4 \| 4 \| \d+\.\d(\d)", text, re.M)
    digit = str((int(found[1]) + 1) % 10)
    readme.write_text(text[: found.start(1)] + digit + text[found.end(1) :])


def filled(text, inputs):
    """A text of the Action with its expressions put in."""
    known = {f"inputs.{name}": value for name, value in inputs.items()} | {"github.action_path": str(ROOT)}
    return re.sub(r"\$\{\{ (\S+) \}\}", lambda found: known[found[1]], str(text))


def run_action(repository, **given):
    """The exit statuses of the steps, by name, until one fails; as GitHub runs them: bash, -e, pipefail."""
    assert ACTION["runs"]["using"] == "composite"
    inputs = {name: one.get("default", "") for name, one in ACTION["inputs"].items()}
    inputs |= {name.replace("_", "-"): value for name, value in given.items()}
    assert set(inputs) == set(ACTION["inputs"])
    # What the installation cannot do here: ask the network, write into this environment.
    target = repository.parent / "installed"
    base = {key: value for key, value in os.environ.items() if not key.startswith(("SRGRID", "PYTHONPATH"))}
    base |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(target)}
    base |= {"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_TARGET": str(target)}
    statuses, said = {}, ""
    for step in ACTION["runs"]["steps"]:
        condition = re.fullmatch(r"inputs\.([\w-]+) != ''", step.get("if", "inputs.run-dir != ''"))
        if not inputs[condition[1]]:
            continue
        environment = base | {name: filled(value, inputs) for name, value in step.get("env", {}).items()}
        assert "${{" not in step["run"], "texts of others belong into env, not into the shell's words"
        done = subprocess.run(
            [step["shell"], "-e", "-o", "pipefail", "-c", step["run"]], cwd=repository, env=environment,
            capture_output=True, text=True, check=False, timeout=500,
        )  # fmt: skip
        statuses[step["name"]], said = done.returncode, done.stdout + done.stderr
        if done.returncode:
            break
    return statuses, said


def test_the_action_is_green_then_red(repository):
    given = {"run_dir": "results/mine", "card": "README.md", "sample": "1", "seed": "19"}
    statuses, said = run_action(repository, **given)
    assert statuses == {"Install": 0, "Card": 0, "Verify": 0}, said
    assert "results/mine: 1 of 12 cells made again" in said
    change_a_digit(repository)
    statuses, said = run_action(repository, **given)
    assert (statuses["Card"], list(statuses)) == (1, ["Install", "Card"])
    assert "sample x4 bicubic" in said


def test_the_action_is_red_for_an_edited_score(repository):
    scores = repository / "results/mine/scores.csv"
    text = scores.read_text()
    place = text.index(".", text.index("sample,4,rcan-s,rgb8")) + 1
    scores.write_text(text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :])
    statuses, said = run_action(repository, run_dir="results/mine", sample="0")
    assert statuses == {"Install": 0, "Verify": 1}, said
    assert "edited since it was made" in said


def run_hook(repository, name, *arguments):
    """A hook as pre-commit runs it: its entry and args, with no file names."""
    hook = HOOKS[name]
    assert hook["language"] == "python"
    assert hook["pass_filenames"] is False
    program, *words = shlex.split(hook["entry"])
    assert program == "srgrid"
    command = [sys.executable, "-m", program, *words, *arguments]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False, timeout=500)


def test_the_hook_is_green_then_red(repository):
    done = run_hook(repository, "srgrid-card", "README.md", "results/mine")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "none wrong" in done.stdout
    change_a_digit(repository)
    done = run_hook(repository, "srgrid-card", "README.md", "results/mine")
    assert done.returncode == 1
    assert "1 wrong" in done.stdout


def test_the_hook_that_verifies(repository):
    done = run_hook(repository, "srgrid-verify", "results/mine", "--sample", "0")
    assert done.returncode == 0, done.stdout + done.stderr
    (repository / "results/mine/scores.csv").unlink()
    done = run_hook(repository, "srgrid-verify", "results/mine", "--sample", "0")
    assert done.returncode == 2
    assert "scores.csv does not exist" in done.stderr


def test_our_own_ci_only_calls_the_script():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert commands == [".ci/run"]
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_the_site_is_the_docs_and_the_committed_pages(tmp_path):
    jobs = yaml.safe_load((ROOT / ".github/workflows/pages.yml").read_text())["jobs"]
    docs, runs = (step["run"] for job in jobs.values() for step in job["steps"] if "run" in step)
    assert docs.splitlines() == ["make site", "mv build/site site"]
    shutil.copytree(SAMPLE, tmp_path / "results/sample")
    subprocess.run(["bash", "-e", "-c", runs], cwd=tmp_path, check=True)
    assert (tmp_path / "site/runs/sample/index.html").read_bytes() == (SAMPLE / "model_card.html").read_bytes()


def test_the_script_verifies_the_committed_runs():
    assert "make verify" in (ROOT / ".ci/run").read_text().splitlines()
    done = subprocess.run(["make", "-n", "verify"], cwd=ROOT, capture_output=True, text=True, check=True)
    said = done.stdout
    assert "srgrid verify results/sample --sample all" in said
    assert re.search(r'test -z "\$SRGRID_MIRROR" \|\| .*srgrid verify results/published --sample \d', said)
    assert "srgrid card --check README.md results/published" in said
