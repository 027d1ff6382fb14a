"""What papers print, network by network, from `literature.yaml`: the values that a run can be held against."""

from functools import cache
from pathlib import Path

from srgrid.errors import SrgridError
from srgrid.report.published import Published, read_values

PROTOCOL = "literature"  # of papers' networks; their bicubic column has another


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


def networks() -> list[str]:
    """The names of the networks that have printed values."""
    return list(dict.fromkeys(cell.method for cell in literature() if cell.protocol == PROTOCOL))


def column(network: str) -> dict[tuple[str, int], Published]:
    """A network's printed values by data set and scale: of the training set that is named first, from the first source
    that has the cell. Raises SrgridError if no value of such a network is on record."""
    cells = [cell for cell in literature() if (cell.method, cell.protocol) == (network, PROTOCOL)]
    if not cells:
        raise SrgridError(f"{network}: no network of the literature's; choose from {', '.join(networks())}")
    training = next((cell.training for cell in cells if cell.training), "")
    found: dict[tuple[str, int], Published] = {}
    for cell in cells:
        if cell.training in ("", training):
            found.setdefault((cell.dataset, cell.scale), cell)
    return found
