"""srgrid: a reproducible super-resolution benchmark.

`open_run` opens a finished run as tables and pictures, `score_dirs` scores images; see `srgrid.results`. They are
imported when they are first asked for: `import srgrid` alone loads nothing heavy. Their types stand in __init__.pyi,
since what is named here is reached by every module (`srgrid.code`).
"""

from importlib import import_module
from typing import Any

__all__ = ["Run", "SrgridError", "open_run", "score_dirs"]
__version__ = "0.1.0"

_FROM = {
    **dict.fromkeys(("Run", "open_run", "score_dirs"), "srgrid.results"),
    "SrgridError": "srgrid.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_FROM[name]), name)
