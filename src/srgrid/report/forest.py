"""Differences between two methods as a picture: for each cell the mean and its interval, beside the line of none."""

import io
from collections.abc import Sequence

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from srgrid.errors import SrgridError
from srgrid.report.differences import Difference
from srgrid.report.figures import STYLE

CERTAIN, OPEN = "#0072b2", "#555555"  # told apart by filled and empty points, too
_ROW, _ENDS = 0.24, 1.0  # inches: a cell, and title with axis


def forest(found: Sequence[Difference], dpi: int = 150) -> Image.Image:
    """Draw differences of two methods by one metric, a row a cell; a filled point is certain (corrected p below 0.05).

    Raises SrgridError if there are none.
    """
    if not found:
        raise SrgridError("no cell that both methods have; compare others")
    first = found[0]
    unit = f", {first.metric.unit}" if first.metric.unit else ""
    with rc_context({**STYLE, "font.size": 9}):
        figure = Figure(figsize=(6.4, _ENDS + _ROW * len(found)), dpi=dpi, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.axvline(0, color="#888888", linewidth=0.8, zorder=0)
        for row, one in enumerate(found):
            colour = CERTAIN if one.better else OPEN
            axes.plot([one.low, one.high], [row, row], color=colour, linewidth=1.4, solid_capstyle="butt")
            face = colour if one.better else "white"
            axes.plot(one.mean, row, "o", markersize=5, markeredgecolor=colour, markerfacecolor=face)
        axes.set_yticks(range(len(found)), [f"{one.dataset} ×{one.scale} (n = {one.images})" for one in found])
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        better = "left" if first.metric.sign < 0 else "right"
        axes.set_xlabel(
            f"{first.metric.label}{unit}: mean difference and 95 % interval; {better} of 0, {first.method} is better"
        )
        axes.set_title(
            f"{first.method} minus {first.other}, {first.protocol} (filled: certain)",
            loc="left",
            weight="bold",
            fontsize=10,
        )
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", metadata={"Software": None})
    return Image.open(drawn).convert("RGB")
