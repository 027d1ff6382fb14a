"""scikit-image's own PSNR.

Its module imports scipy.stats, for the entropy that another metric is made of. That takes half a
second, as long as scoring five images; here the entropy is imported when it is called.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

_STATS = "scipy.stats"


@cache
def peak_signal_noise_ratio() -> Callable[..., Any]:
    """`skimage.metrics.peak_signal_noise_ratio`."""
    standing_in = _Stats(_STATS)
    if _STATS not in sys.modules:
        sys.modules[_STATS] = standing_in
    try:
        from skimage.metrics import peak_signal_noise_ratio
    finally:
        if sys.modules.get(_STATS) is standing_in:
            del sys.modules[_STATS]
    return peak_signal_noise_ratio


class _Stats(ModuleType):
    """Stands in for scipy.stats while scikit-image is imported, and makes way for it as soon as more is asked."""

    @staticmethod
    def entropy(*args: Any, **options: Any) -> Any:
        return importlib.import_module(_STATS).entropy(*args, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(_STATS) is self:
            del sys.modules[_STATS]
        return getattr(importlib.import_module(_STATS), name)
