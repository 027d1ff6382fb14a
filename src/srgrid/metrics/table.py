"""The metrics: records in a table, one file a metric. It is read where a workflow is planned, so it stays light."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from srgrid.metrics.psnr import psnr
from srgrid.metrics.ssim import ssim

if TYPE_CHECKING:
    from srgrid.metrics.pair import Pair


@dataclass(frozen=True)
class Metric:
    """What the tables and the card need to know of a metric, and the function that computes it."""

    name: str  # in configs, and as the column of the tables
    label: str  # on the card
    unit: str  # of its values; "" without one
    stored: int  # decimals in the tables
    printed: int  # decimals on the card
    higher_is_better: bool
    compares: Literal["luma", "rgb"]
    version: str  # a new one whenever values change: scores of two versions do not go together
    function: Callable[[Pair], float]
    low: float | None = None  # the least and greatest value; None: without bound, so that inf is a value too
    high: float | None = None


METRICS: dict[str, Metric] = {
    m.name: m
    for m in (
        Metric("psnr", "PSNR", "dB", 6, 2, True, "luma", "1", psnr, low=0.0),
        Metric("ssim", "SSIM", "", 8, 4, True, "luma", "1", ssim, low=-1.0, high=1.0),
    )
}
