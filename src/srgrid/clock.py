"""How long a function takes, and how much memory its first call wants, on a CPU."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import quantiles
from typing import TypeVar

from srgrid import heap

T = TypeVar("T")

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def times(run: Callable[[], object], repeats: int) -> list[float]:
    """Seconds of each of `repeats` calls."""
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return found


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile of two values or more, interpolated between neighbours."""
    low, median, high = quantiles(values, n=4, method="inclusive")
    return low, median, high


def peak_growth(run: Callable[[], T]) -> tuple[T, int | None]:
    """What a call returns, and the bytes by which this process's resident memory grew while it ran, at its highest.

    Memory that earlier calls freed is given back first, where the C library can (glibc); what it keeps all the same
    counts as there. None where the system does not tell (Linux does).
    """
    heap.give_back_freed()
    try:
        _CLEAR.write_text("5")  # the highest so far is forgotten (proc(5))
        before = _resident("VmRSS")
    except (OSError, LookupError):
        return run(), None
    made = run()
    return made, max(0, _resident("VmHWM") - before)


def _resident(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB$", _STATUS.read_text(), re.M)
    if not found:
        raise LookupError(field)
    return int(found[1]) * 1024
