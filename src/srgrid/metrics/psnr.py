"""Peak signal-to-noise ratio."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from srgrid.metrics.pair import Pair


def psnr(pair: Pair) -> float:
    """PSNR of the luma in dB, peak 255; inf for equal images.

    The value of `skimage.metrics.peak_signal_noise_ratio`, to the last bit: importing that brings scipy.stats, which
    takes longer than scoring a small data set.
    """
    import numpy as np

    sr, hr = pair.luma
    error = np.mean((hr - sr) ** 2, dtype=np.float64)
    return float(10 * np.log10(255.0**2 / error)) if error else float("inf")
