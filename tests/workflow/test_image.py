"""The Dockerfile, as far as it can be held without a container engine: its context has what it copies and installs."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TEXT = (ROOT / "Dockerfile").read_text()


def let_through():
    """Top folders and files of the build's context."""
    first, *rest = (ROOT / ".dockerignore").read_text().split()
    assert first == "*"
    return {line.removeprefix("!") for line in rest if line.startswith("!")}


def test_what_is_let_through_exists():
    assert [name for name in sorted(let_through()) if not (ROOT / name).exists()] == []


def test_what_is_copied_and_what_a_wheel_is_made_of_is_let_through():
    copied = {name for names in re.findall(r"^COPY (?!--)(.+) \S+$", TEXT, re.M) for name in names.split()} - {"."}
    setuptools = PROJECT["tool"]["setuptools"]
    data = {path.split("/")[0] for paths in setuptools["data-files"].values() for path in paths}
    needed = copied | data | {PROJECT["project"]["readme"], "LICENSE", *setuptools["packages"]["find"]["where"]}
    assert {"requirements.lock", "pyproject.toml", "Snakefile", "models"} <= needed
    assert needed - let_through() == set()


def test_the_image_holds_no_tools_of_development():
    """It installs what the project asks for, in the versions of the lock file, which has pytest and mypy, too."""
    assert '["project"]["dependencies"]' in TEXT
    assert "--constraint requirements.lock --requirement needed" in TEXT
    assert not re.search(r"(-r|--requirement) requirements\.lock", TEXT)


def test_its_user_has_no_rights():
    last = TEXT.split("FROM ")[-1]
    assert re.search(r"^RUN useradd .*\bsrgrid$", last, re.M)
    assert re.search(r"^USER srgrid$", last, re.M)
    assert last.index("COPY") < last.index("USER")
