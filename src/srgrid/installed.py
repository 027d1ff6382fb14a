"""Where the files are that belong to srgrid and are no Python: the workflow, its configs, the shipped weights."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

from srgrid.errors import SrgridError
from srgrid.files import staged_dir

# What a folder of one's own needs to run the workflow; the weights stay where they are.
_WORKFLOW = ("Snakefile", "config.yaml", "config", "envs", "examples", "profiles", "workflow")


def shared() -> Path:
    """The checkout that this module lies in, else the `share/srgrid` of the installation."""
    checkout = Path(__file__).parents[2]
    if (checkout / "pyproject.toml").is_file():
        return checkout
    return Path(sysconfig.get_path("data")) / "share/srgrid"


def runs() -> list[str]:
    """Names of the configs that a laid-out workflow comes with; config.yaml is what snakedeploy starts with."""
    return sorted(file.stem for file in (shared() / "config").glob("*.yaml") if file.stem != "config")


def lay_out(run: str, out: Path) -> None:
    """Put the workflow's files into a new folder, for a run there. They call the srgrid that is installed.

    Raises SrgridError for a run that has no config, and for a folder that holds anything.
    """
    if run not in runs():
        raise SrgridError(f"run {run!r}: there is no such config; choose one of {', '.join(runs())}")
    with staged_dir(out) as staged:
        for name in _WORKFLOW:
            place = shared() / name
            if place.is_dir():
                shutil.copytree(place, staged / name, ignore=shutil.ignore_patterns(".*", "__pycache__"))
            else:
                shutil.copy(place, staged / name)
