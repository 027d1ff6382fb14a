"""Structural similarity: scikit-image's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from srgrid.metrics.pair import Pair
    from srgrid.protocols import Window

# The side of a window, and scikit-image's options for it. gaussian-11: sigma 1.5, cut at 3.5 sigma, population
# covariance (Wang et al. 2004). uniform-7: scikit-image's defaults.
WINDOWS: dict[Window, tuple[int, dict[str, Any]]] = {
    "gaussian-11": (11, {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}),
    "uniform-7": (7, {"win_size": 7}),
}


def ssim(pair: Pair) -> float:
    """SSIM of the luma (Wang et al. 2004), at most 1: `skimage.metrics.structural_similarity`.

    It is averaged over the windows inside the image (`valid`), as scikit-image does, or over all of its map, the border
    reflected. Raises SrgridError for an image smaller than the window.
    """
    from skimage.metrics import structural_similarity

    sr, hr = pair.luma
    side, options = WINDOWS[pair.protocol.ssim_window]
    pair.require(side)
    inside, full = structural_similarity(sr, hr, data_range=255, full=True, **options)  # type: ignore[no-untyped-call]
    return float(inside if pair.protocol.ssim_border == "valid" else full.mean())
