"""Shell completion, and the list of make's targets."""

import os
import re
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from srgrid.cli import Exit, app

ROOT = Path(__file__).resolve().parents[1]


def test_completion_is_installed_and_completes(tmp_path):
    done = CliRunner().invoke(app, ["completion", "bash", "--install"], env={"XDG_DATA_HOME": str(tmp_path)})
    script = tmp_path / "bash-completion/completions/srgrid"
    assert done.output.startswith(f"{script}: written")
    command = tmp_path / "srgrid"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m srgrid "$@"\n')
    command.chmod(0o755)
    words = "COMP_WORDS=(srgrid upscale --qu) COMP_CWORD=2"
    typed = f"source {script}; {words}; _srgrid_completion {command}; echo $COMPREPLY"
    shell = subprocess.run(["bash", "-c", typed], capture_output=True, text=True, check=True)
    assert shell.stdout.strip() == "--quality"


def test_other_shells_have_a_script_too():
    for shell in ("zsh", "fish"):
        done = CliRunner().invoke(app, ["completion", shell])
        assert "_SRGRID_COMPLETE" in done.output


def test_make_help_lists_every_target():
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert targets
    said = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True, env=os.environ)
    assert re.findall(r"^make ([\w-]+) +\S", said.stdout, re.M) == targets[1].split()


def test_the_documents_tell_the_exit_statuses():
    rows = re.findall(r"^\| (\d+) \|", (ROOT / "docs/commands.md").read_text(), re.M)
    assert {int(row) for row in rows} >= {int(status) for status in Exit} - {Exit.INTERRUPTED}
    assert f"{int(Exit.INTERRUPTED)} by Ctrl-C" in (ROOT / "docs/commands.md").read_text()
