"""What papers print, network by network, from `literature.yaml`: the values that a run can be held against."""

from functools import cache
from pathlib import Path

from srgrid.report.published import Published, read_values


@cache
def _table() -> tuple[Published, ...]:
    return read_values(Path(__file__).with_name("literature.yaml"))


def literature() -> list[Published]:
    """Every printed cell, in the order of the file. Raises SrgridError if the file is damaged."""
    return list(_table())


def amount(text: str) -> float | None:
    """A printed number of parameters or multiply-adds, "1,592K" or "90.9G"; None if nothing is printed."""
    if not text:
        return None
    unit = {"K": 1e3, "M": 1e6, "G": 1e9}.get(text[-1], 1)
    return float(text.rstrip("KMG").replace(",", "")) * unit
