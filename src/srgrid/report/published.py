"""The published values that stand beside the re-made ones, from `published.yaml`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from srgrid.errors import SrgridError


@dataclass(frozen=True)
class Published:
    """One printed cell: as printed ("33.64/0.9292"), its numbers, where from, and the protocol it compares under."""

    source: str
    label: str
    title: str
    url: str
    dataset: str
    scale: int
    method: str
    protocol: str
    text: str
    psnr: float
    ssim: float
    note: str


class _Table(NamedTuple):
    cells: tuple[Published, ...]
    hubs: dict[str, str]
    citations: dict[str, str]


@cache
def _table() -> _Table:
    file = Path(__file__).with_name("published.yaml")
    try:
        loaded = yaml.safe_load(file.read_text(encoding="utf-8"))
        cells = tuple(cell for block in loaded["values"] for cell in _cells(block, loaded["sources"][block["source"]]))
        data_sets = loaded["datasets"].items()
        hubs = {str(name): str(entry["hub"]) for name, entry in data_sets}
        return _Table(cells, hubs, {str(name): str(entry["citation"]) for name, entry in data_sets})
    except OSError as error:
        raise SrgridError(f"{file}: cannot be read ({error.strerror}); install srgrid again") from None
    # What a damaged file can raise: no YAML, too deep, another shape or type, a key that is not there.
    except (yaml.YAMLError, RecursionError, AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise SrgridError(f"{file}: damaged table of published values ({error}); install srgrid again") from None


def _cells(block: Mapping[str, Any], source: Mapping[str, Any]) -> Iterator[Published]:
    for dataset, cells in block["cells"].items():
        for scale, text in cells.items():
            psnr, ssim = map(float, text.split("/"))
            if not (0 < psnr < 100 and -1 <= ssim <= 1):
                raise ValueError(f"{dataset} x{scale}: {text}")
            where = (str(source["label"]), str(source["title"]), str(source["url"]), str(dataset), int(scale))
            under = (str(block["method"]), str(block["protocol"]))
            yield Published(str(block["source"]), *where, *under, text, psnr, ssim, str(block.get("note", "")))


def published() -> list[Published]:
    """Every published cell, in the order of the file. Raises SrgridError if the file is damaged."""
    return list(_table().cells)


def hub_name(dataset: str) -> str | None:
    """A data set's name on the Hugging Face Hub, if it has one."""
    return _table().hubs.get(dataset)


def citation(dataset: str) -> str:
    """Who made a data set ("Bevilacqua et al. 2012"), or an empty text."""
    return _table().citations.get(dataset, "")
