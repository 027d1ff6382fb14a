"""A run among the field's printed values: the place of each of its cells, under the protocol of papers' networks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from srgrid.plan import COMPUTED
from srgrid.report.cardata import CardData
from srgrid.report.literature import PROTOCOL, amount, literature
from srgrid.report.published import Published
from srgrid.report.tables import BASELINE, CELL

_DIGITS = 2  # that papers print of PSNR


@dataclass(frozen=True)
class Place:
    """One cell: PSNR as papers print it, its place among the printed values (1: none is higher), and the next higher
    one, "imdn 32.21"."""

    psnr: str
    place: int
    above: str

    def __str__(self) -> str:
        return f"{self.psnr} (place {self.place}{', below ' + self.above if self.above else ''})"


@dataclass(frozen=True)
class Standing:
    """A row: the cells of the run's networks on one data set at one scale, None where one is missing.

    printed: how many values they stand among.
    """

    dataset: str
    scale: int
    printed: int
    places: list[Place | None]


def ranked(data: CardData) -> list[str]:
    """The methods that have a place: those that papers have a protocol for, networks and finished SR images."""
    return [method for method in data.order["method"] if method not in COMPUTED]


def standings(data: CardData) -> list[Standing]:
    """Every row of the run that has printed values, if it was scored under the protocol of papers' networks."""
    if PROTOCOL not in data.order["protocol"] or "psnr" not in data.grid or not ranked(data):
        return []
    means = data.grid.set_index(CELL)["psnr"].to_dict()
    found = []
    for dataset in data.order["dataset"]:
        for scale in data.order["scale"]:
            values = printed(dataset, scale)
            keys = [(dataset, scale, method, PROTOCOL) for method in ranked(data)]
            places = [place_of(means[key], values) if key in means else None for key in keys]
            if values and any(places):
                found.append(Standing(dataset, scale, len(values), places))
    return found


def printed(dataset: str, scale: int) -> list[Published]:
    """The printed values of networks for a data set and scale: of each network and training set the one of the first
    source that has it. A source that names no training set counts where none does."""
    first: dict[tuple[str, str], Published] = {}
    for cell in literature():
        if (cell.dataset, cell.scale, cell.protocol) == (dataset, scale, PROTOCOL) and cell.method != BASELINE:
            first.setdefault((cell.method, cell.training), cell)
    told = {method for method, training in first if training}
    return [cell for (method, training), cell in first.items() if training or method not in told]


def place_of(psnr: float, values: Iterable[Published]) -> Place:
    """The place of a mean PSNR among printed values."""
    text = f"{psnr:.{_DIGITS}f}"
    higher = [value for value in values if value.psnr > float(text)]
    above = min(higher, key=lambda value: value.psnr, default=None)
    return Place(text, 1 + len(higher), f"{above.method} {above.psnr:.{_DIGITS}f}" if above else "")


def points(data: CardData) -> list[dict[str, Any]]:
    """The printed networks that the page plots, of the run's data sets and scales."""
    return [
        {"method": cell.method, "training": cell.training, "label": cell.label, "protocol": cell.protocol}
        | {"dataset": dataset, "scale": scale, "psnr": cell.psnr, "ssim": cell.ssim}
        | {"parameters": amount(cell.parameters), "multiply_adds": amount(cell.multiply_adds)}
        for dataset in data.order["dataset"]
        for scale in data.order["scale"]
        for cell in printed(dataset, scale)
        if PROTOCOL in data.order["protocol"] and (cell.parameters or cell.multiply_adds)
    ]


def expenses(data: CardData) -> list[dict[str, Any]]:
    """What each column of the run costs, as the page plots it: counted or measured, and the seconds of its training."""
    counted = {(cost.method, cost.scale): cost for cost in data.costs}
    trained = {(model.method, model.scale): model for model in data.models}
    found = []
    for method, scale in dict.fromkeys((*counted, *trained)):
        cost, model = counted.get((method, scale)), trained.get((method, scale))
        parameters = cost.parameters if cost else model.parameters if model else None
        told = {"multiply_adds": cost.multiply_adds, "seconds": cost.seconds} if cost else {}
        training = {"training": model.training.seconds} if model else {}
        found.append({"method": method, "scale": scale, "parameters": parameters, **told, **training})
    return found
