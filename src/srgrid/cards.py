"""NVIDIA cards: which ones this machine shows, and one for each process. Nothing here imports torch."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from srgrid.lock import hold

LOCKS = Path("/tmp")  # not TMPDIR: locks are shared by all users of the machine
_DEVICES = Path("/dev")
_held: dict[str, IO[str]] = {}  # until this process ends


@dataclass(frozen=True)
class Shown:
    """The cards that this process may see, and the version of their driver; empty if nothing tells it."""

    number: int
    driver: str = ""


def shown() -> Shown:
    """What nvidia-smi or, where there is none, the device files tell, whether torch can use it or not.

    CUDA_VISIBLE_DEVICES counts: cards that it leaves out are not shown.
    """
    query = ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    try:
        told = subprocess.run(query, capture_output=True, text=True, check=True, timeout=60).stdout.split()
    except (OSError, subprocess.SubprocessError):
        told = []
    number = len(told) or sum(bool(re.fullmatch(r"nvidia\d+", path.name)) for path in _DEVICES.glob("nvidia*"))
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        # CUDA's own reading: names count up to the first that is none, such as -1.
        names = [name.strip() for name in chosen.split(",")]
        end = next((at for at, name in enumerate(names) if not name or name.startswith("-")), len(names))
        number = min(number, end)
    return Shown(number, told[0] if told else "")


def take(cards: Sequence[str], folder: Path = LOCKS) -> int | None:
    """The place of a card that no other process holds, held from now on until this process ends; None if all are held.

    cards: names that stay the same whichever of them a process may see, such as UUIDs. A card once taken is kept. The
    locks are those of all users: another's run counts.
    """
    for at, name in enumerate(cards):
        if name in _held:
            return at
    for at, name in enumerate(cards):
        file = _lock_file(folder / f"srgrid-gpu-{name}.lock")
        if file and hold(file, wait=False):
            _held[name] = file
            return at
        if file:
            file.close()
    return None


def _lock_file(path: Path) -> IO[str] | None:
    """The file to lock, made if need be; None if another user keeps it shut."""
    try:
        if not path.exists():
            with path.open("x"):
                path.chmod(0o644)  # all may lock what they can read
    except FileExistsError:
        pass
    except OSError:
        return None
    try:
        return path.open()
    except OSError:
        return None
