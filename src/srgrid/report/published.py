"""The published values that stand beside the re-made ones, from `published.yaml`."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml


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


@cache
def _table() -> dict[str, Any]:
    text = Path(__file__).with_name("published.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def published() -> list[Published]:
    """Every published cell, in the order of the file."""
    table = _table()
    found = []
    for block in table["values"]:
        source = table["sources"][block["source"]]
        for dataset, cells in block["cells"].items():
            for scale, text in cells.items():
                psnr, ssim = map(float, text.split("/"))
                where = (
                    block["source"],
                    source["label"],
                    source["title"],
                    source["url"],
                    dataset,
                    int(scale),
                    block["method"],
                )
                found.append(Published(*where, block["protocol"], text, psnr, ssim, block.get("note", "")))
    return found


def hub_name(dataset: str) -> str | None:
    """A data set's name on the Hugging Face Hub, if it has one."""
    entry = _table()["datasets"].get(dataset)
    return str(entry["hub"]) if entry else None


def citation(dataset: str) -> str:
    """Who made a data set ("Bevilacqua et al. 2012"), or an empty text."""
    entry = _table()["datasets"].get(dataset)
    return str(entry["citation"]) if entry else ""
