"""How far the scores of one network's images may lie apart on two machines.

A network's sums are rounded in an order that differs with processor, threads and GPU, so that single pixels of its SR
images come out one step higher or lower. Everything else is computed alike everywhere, and has no tolerance.
"""

from __future__ import annotations

from srgrid.metrics import Metric

# In units of the last printed digit, of one image's score (docs/ci.md has what was measured).
UNITS = {"fp32": 0.1, "bf16": 10.0}


def tolerance(metric: Metric, precision: str) -> float:
    """The largest difference of one image's score that the processor explains: 0.001 dB of PSNR in fp32.

    precision: fp32 or bf16; any other counts as bf16.
    """
    return UNITS.get(precision, UNITS["bf16"]) * 10.0**-metric.printed
