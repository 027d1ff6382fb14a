"""Which images and which crops are shown: decided by the scores and the pixels, so that nobody picks cherries."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from srgrid.errors import SrgridError
from srgrid.metrics import METRICS, Metric
from srgrid.report.tables import BASELINE, distinct

PSNR = METRICS["psnr"]
Crop = tuple[int, int, int, int]
"""x, y, width, height in HR pixels, from the top left."""


@dataclass(frozen=True)
class Choice:
    """One chosen image: its role ("largest gain", ...), the value it was chosen by, and whose value that is."""

    role: str
    image: str
    value: float
    whose: str


@dataclass(frozen=True)
class Gains:
    """What images are ranked by: values per image (index: image), whose they are, and whether gains over bicubic."""

    values: "pd.Series[float]"
    whose: str
    over_bicubic: bool


def gains(scores: pd.DataFrame, cell: tuple[str, int, str], method: str | None = None, metric: Metric = PSNR) -> Gains:
    """Difference to bicubic per image, of one method or of the mean over all but bicubic.

    It is the metric itself where bicubic or another method than it is lacking. cell: dataset, scale, protocol. Raises
    SrgridError when there are no such rows.
    """
    dataset, scale, protocol = cell
    rows = scores[(scores["dataset"] == dataset) & (scores["scale"] == scale) & (scores["protocol"] == protocol)]
    if rows.empty or (method is not None and method not in set(rows["method"])):
        raise SrgridError(f"There are no scores of {method or 'any method'} on {dataset} x{scale} under {protocol}.")
    table = rows.pivot(index="image", columns="method", values=metric.name).loc[distinct(rows, "image")]
    others = [name for name in distinct(rows, "method") if name != BASELINE] if method is None else [method]
    if not others or others == [BASELINE]:
        return Gains(table[BASELINE], BASELINE, over_bicubic=False)
    mean, whose = table[others].mean(axis=1), _mean_of(others)
    if BASELINE not in table:
        return Gains(mean, whose, over_bicubic=False)
    return Gains((mean - table[BASELINE]).fillna(0.0), whose, over_bicubic=True)


def _mean_of(methods: list[str]) -> str:
    if len(methods) == 1:
        return str(methods[0])
    if len(methods) > 3:
        return f"mean of {len(methods)} methods"
    return f"mean of {', '.join(methods[:-1])} and {methods[-1]}"


def choose_images(
    scores: pd.DataFrame,
    dataset: str,
    scale: int,
    protocol: str,
    *,
    method: str | None = None,
    count: int = 3,
    metric: Metric = PSNR,
) -> list[Choice]:
    """The images to show: largest gain over bicubic, the median, the largest loss (or smallest gain), in that order.

    Where lower is better, a gain is a negative difference. With `count` > 3 evenly spaced ranks between them follow. A
    set with fewer images gives each once.
    """
    found = gains(scores, (dataset, scale, protocol), method, metric)
    ranked = found.values.sort_values(ascending=not metric.higher_is_better, kind="stable")
    last = len(ranked) - 1
    positions = (
        [0, last // 2, last] + [round(rank) for rank in np.linspace(0, last, count)]
        if count > 3
        else [0, last // 2, last]
    )
    positions = list(dict.fromkeys(positions))[:count]
    role = _gain_role if found.over_bicubic else _value_role
    return [
        Choice(role(rank, ranked, metric), str(ranked.index[rank]), float(ranked.iloc[rank]), found.whose)
        for rank in positions
    ]


def _value_role(rank: int, ranked: "pd.Series[float]", metric: Metric) -> str:
    last, ends = len(ranked) - 1, ("highest", "lowest")[:: metric.sign]
    words = {last // 2: "median", last: ends[1], 0: ends[0]}
    return f"{words[rank]} {metric.label}" if rank in words else f"{metric.label} rank {rank + 1}"


def _gain_role(rank: int, ranked: "pd.Series[float]", metric: Metric) -> str:
    last = len(ranked) - 1
    if rank == 0:
        return "largest gain" if metric.sign * ranked.iloc[0] >= 0 else "smallest loss"
    if rank == last:
        return "smallest gain" if metric.sign * ranked.iloc[last] >= 0 else "largest loss"
    return "median" if rank == last // 2 else f"rank {rank + 1}"


def luma(image: NDArray[np.generic]) -> NDArray[np.float64]:
    """BT.601 luma, H x W float64, of an RGB or single-channel image in 0..255 (to compare, not to score)."""
    values = np.asarray(image, dtype=np.float64)
    return values if values.ndim == 2 else 16.0 + values @ np.array([65.481, 128.553, 24.966]) / 255.0


def crop_size(width: int, height: int, side: int | None = None) -> tuple[int, int]:
    """A square crop of `side` pixels, by default about a fifth of the image's shorter side (32 to 160 pixels).

    Never more than the image.
    """
    side = min(max(32, round(min(width, height) / 4.5)), 160) if side is None else side
    return min(side, width), min(side, height)


def choose_crop(srs: dict[str, NDArray[np.generic]], size: tuple[int, int], margin: int = 0) -> Crop:
    """The crop of `size` (width, height) where the methods' luma differs most: the greatest variance over methods.

    HR takes no part, so that the choice favours no method. `margin` pixels at the border stay outside. With one method
    it is where that method's luma varies most. The first such place in reading order wins.
    """
    stack = np.stack([luma(sr) for sr in srs.values()])
    energy = stack.var(axis=0) if len(stack) > 1 else ndimage.gaussian_gradient_magnitude(stack[0], 1.0)
    height, width = energy.shape
    w, h = min(size[0], width), min(size[1], height)
    margin = max(0, min(margin, (width - w) // 2, (height - h) // 2))
    inner = energy[margin : height - margin, margin : width - margin]
    total = np.pad(inner.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    sums = total[h:, w:] - total[:-h, w:] - total[h:, :-w] + total[:-h, :-w]
    y, x = np.unravel_index(int(np.argmax(np.round(sums, 6))), sums.shape)
    return int(x) + margin, int(y) + margin, w, h


def check_crop(crop: Crop, width: int, height: int, what: str) -> Crop:
    """The crop, if it lies inside a `width` x `height` image; SrgridError otherwise."""
    x, y, w, h = crop
    if x < 0 or y < 0 or w < 1 or h < 1 or x + w > width or y + h > height:
        raise SrgridError(f"The crop {x},{y},{w},{h} (x, y, width, height) leaves {what} of {width} x {height} pixels.")
    return crop
