"""What made a result: versions, commit, hardware, digests."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from srgrid.code import version
from srgrid.errors import SrgridError
from srgrid.files import read_manifest, set_identity, staged_file

PACKAGES = (
    *("srgrid", "snakemake", "torch", "datasets", "scikit-image", "numpy", "scipy", "pandas", "pillow"),
    *("matplotlib", "jinja2", "safetensors", "huggingface_hub"),
)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that touch a number or a picture."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def commit(folder: Path | None = None) -> str | None:
    """The git commit of the source tree, '-dirty' if a file outside results/ differs; None outside a checkout."""
    where = str(folder or Path(__file__).resolve().parent)
    head = _git(where, "rev-parse", "HEAD")
    if head is None:
        return None
    changed = _git(where, "status", "--porcelain", "--untracked-files=no", "--", ":(top)", ":(top,exclude)results")
    return head + ("-dirty" if changed else "")


def _git(where: str, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", where, *arguments], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def hardware() -> dict[str, Any]:
    """Processor, cores, memory in GiB, and GPUs if PyTorch is installed and sees any."""
    found: dict[str, Any] = {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "gpus": [],
    }
    try:
        import torch
    except ImportError:
        return found
    found["gpus"] = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return found


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def file_digest(path: str | os.PathLike[str]) -> str:
    """sha256 (hex) of a file's bytes. Raises SrgridError if it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SrgridError(f"{path}: cannot be read ({error.strerror})") from None


def set_digest(folder: Path) -> dict[str, Any]:
    """Number of images of a made folder and one sha256 over its manifest's names and pixel digests."""
    files = read_manifest(folder)["files"]
    return set_identity({name: entry["sha256"] for name, entry in files.items()})


def write_provenance(
    out: Path,
    config: Mapping[str, Any],
    inputs: Sequence[Path],
    weights: Sequence[Path],
    missing: Sequence[Mapping[str, Any]],
    command: str,
) -> None:
    """Write provenance.json: everything needed to re-make a run's results.

    `inputs` are folders of HR images with manifests; `missing` lists cells that are not run, with the reason.
    """
    tables = [out.parent / name for name in ("grid.csv", "scores.csv", "intervals.csv")]
    record = {
        "command": command,
        "commit": commit(),
        "config": dict(config),
        "hardware": hardware(),
        "inputs": {folder.name: set_digest(folder) for folder in inputs},
        "missing": list(missing),
        "outputs": {table.name: file_digest(table) for table in tables},
        "versions": versions(),
        "weights": {file.name: _weights_record(file) for file in weights},
    }
    with staged_file(out) as staged:
        staged.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


def _weights_record(file: Path) -> dict[str, Any]:
    """A weights file's digest, what it says of model and training, and what was measured while training."""
    from srgrid.models import describe

    record = {"path": str(file), "sha256": file_digest(file), **describe(file)}
    sidecar = file.with_suffix(".json")
    if sidecar.exists():
        record["measured"] = json.loads(sidecar.read_text())
    return record
