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
