"""A metric of one's own, as a user would install it beside srgrid: lower is better, and it compares colours."""

from srgrid.metrics import Metric
from srgrid.metrics.pair import Pair


def mean_absolute_error(pair: Pair) -> float:
    """Mean absolute difference of the RGB values, in grey levels."""
    sr, hr = pair.rgb
    return float(abs(sr - hr).mean())


MAE = Metric("mae", "MAE", "levels", 5, 3, False, "rgb", "1", mean_absolute_error, low=0.0, high=255.0)
