"""What a program runs on: versions of packages, the commit of its source, the machine."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from srgrid.code import version

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
        "cpu": cpu_name(),
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


def cpu_name() -> str:
    """The processor, as it calls itself."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
