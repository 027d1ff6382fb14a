"""Scores of a super-resolved image against its original, under declared protocols.

Every metric is a record of `srgrid.metrics.table`, computed from a `srgrid.metrics.pair.Pair`. scikit-image defines
PSNR and SSIM here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from srgrid.errors import SrgridError
from srgrid.metrics.table import METRICS as METRICS
from srgrid.metrics.table import PSNR_SSIM as PSNR_SSIM
from srgrid.metrics.table import Metric as Metric
from srgrid.metrics.table import get_metrics as get_metrics
from srgrid.protocols import Protocol, get_protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from srgrid.metrics.pair import Pair


class Score(NamedTuple):
    """PSNR in dB (inf for equal images) and SSIM (at most 1) of one image, or their means over images."""

    psnr: float
    ssim: float


def score(
    sr: npt.NDArray[Any],
    hr: npt.NDArray[np.uint8],
    scale: int,
    protocol: str | Protocol = "rgb8",
    *,
    rgb: bool = False,
) -> Score:
    """PSNR (dB) and SSIM of a super-resolved image against its original, as `measure` takes and refuses them.

    >>> import numpy as np
    >>> image = np.full((24, 24), 100, np.uint8)
    >>> score(image + np.uint8(5), image, scale=2).psnr.__round__(4)
    34.1514
    """
    return Score(**measure(sr, hr, scale, protocol, PSNR_SSIM, rgb=rgb))


def measure(
    sr: npt.NDArray[Any],
    hr: npt.NDArray[np.uint8],
    scale: int,
    protocol: str | Protocol,
    metrics: Iterable[Metric],
    *,
    rgb: bool = False,
) -> dict[str, float]:
    """The value of each metric by its name.

    sr: H x W or H x W x 3, uint8, or float in 0..255 for protocols that do not quantise. hr: uint8, of the same size
    or, where that is not a multiple of `scale`, of the size before cropping. `rgb`: three equal channels are RGB too
    (see `srgrid.metrics.pair.make_pair`). Raises SrgridError for sizes, types, ranges or channels that do not fit each
    other, for an image smaller, after shaving, than a metric's window, and for a value that its record does not allow.
    """
    from srgrid.metrics.pair import make_pair

    rule = get_protocol(protocol) if isinstance(protocol, str) else protocol
    pair = make_pair(sr, hr, scale, rule, rgb=rgb)
    return {metric.name: _value(metric, pair) for metric in metrics}


def _value(metric: Metric, pair: Pair) -> float:
    value = float(metric.function(pair))
    low, high = (float(sign + "inf") if end is None else end for sign, end in (("-", metric.low), ("", metric.high)))
    if not low <= round(value, metric.stored) <= high:
        raise SrgridError(f"metric {metric.name}: {value} is not within {low:g} to {high:g}; mend it, or its record")
    return value
