"""The published values that stand beside the re-made ones, from `published.yaml`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from srgrid.errors import SrgridError
from srgrid.references import reference


@dataclass(frozen=True)
class Published:
    """One printed cell: as printed ("33.64/0.9292"), its numbers, where from, and the protocol it compares under.

    cite: a key of references.bib.
    """

    source: str
    label: str
    title: str
    url: str
    cite: str
    dataset: str
    scale: int
    method: str
    protocol: str
    text: str
    psnr: float
    ssim: float
    note: str


@cache
def _table() -> tuple[Published, ...]:
    file = Path(__file__).with_name("published.yaml")
    try:
        loaded = yaml.safe_load(file.read_text(encoding="utf-8"))
        return tuple(cell for block in loaded["values"] for cell in _cells(block, loaded["sources"][block["source"]]))
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
            label, cite = str(source["label"]), str(source["cite"])
            title = str(source.get("title", f"{label} ({reference(cite).short})"))
            where = (label, title, str(source["url"]), cite, str(dataset), int(scale))
            under = (str(block["method"]), str(block["protocol"]))
            yield Published(str(block["source"]), *where, *under, text, psnr, ssim, str(block.get("note", "")))


def published() -> list[Published]:
    """Every published cell, in the order of the file. Raises SrgridError if the file is damaged."""
    return list(_table())
