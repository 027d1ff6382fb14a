"""Peak signal-to-noise ratio: scikit-image's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from srgrid.metrics.pair import Pair


def psnr(pair: Pair) -> float:
    """PSNR of the luma in dB, peak 255: `skimage.metrics.peak_signal_noise_ratio`; inf for equal images."""
    import numpy as np

    from srgrid.metrics.scikit import peak_signal_noise_ratio

    sr, hr = pair.luma
    if np.array_equal(sr, hr):  # where scikit-image warns that it divides by zero
        return float("inf")
    return float(peak_signal_noise_ratio()(hr, sr, data_range=255))
