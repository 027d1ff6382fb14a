"""Modules of peer toolboxes, imported without running their packages' __init__ (which need torchvision and more).

Peers are no dependencies of srgrid. `make peers` puts them into build/peers, outside the environment.
"""

import importlib
import sys
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).resolve().parent.parent / "build" / "peers"


def load(name: str) -> ModuleType:
    """Import a peer's module, for example `basicsr.utils.matlab_functions`, its parent packages left empty."""
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    parents = name.split(".")[:-1]
    for depth in range(1, len(parents) + 1):
        package = ".".join(parents[:depth])
        folder = FOLDER.joinpath(*parents[:depth])
        if not folder.is_dir():
            sys.exit(f"{folder}: the peer is not there; run `make peers` first")
        if package not in sys.modules:
            sys.modules[package] = empty = ModuleType(package)
            empty.__path__ = [str(folder)]
    return importlib.import_module(name)
