"""The data that the HTML page carries: one JSON document, and images as data links."""

import base64
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from srgrid.errors import SrgridError
from srgrid.report.cardata import CardData
from srgrid.report.differences import student
from srgrid.report.standing import expenses, points
from srgrid.report.tables import CELL, distinct

TYPES = {".webp": "image/webp", ".png": "image/png", ".jpg": "image/jpeg"}


def script_json(value: object) -> Markup:
    """JSON that is safe inside a `<script>` element: no character of it can end the element or open a comment."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)


def data_link(content: bytes | str, kind: str) -> str:
    """A base64 data link."""
    raw = content.encode("utf-8") if isinstance(content, str) else content
    return f"data:{kind};base64,{base64.b64encode(raw).decode('ascii')}"


def _number(value: float, digits: int) -> float | str | None:
    if math.isnan(value):
        return None
    return round(value, digits) if math.isfinite(value) else str(value)


class Assets:
    """Image files as data links, each content once."""

    def __init__(self) -> None:
        self.links: list[str] = []
        self._known: dict[str, int] = {}

    def size(self, path: Path) -> int:
        """Bytes that the file adds to the page (0 when its content is there already)."""
        return 0 if self._link(path) in self._known else len(self._link(path))

    def add(self, path: Path) -> int:
        """The index of the file's data link in `links`."""
        link = self._link(path)
        if link not in self._known:
            self._known[link] = len(self.links)
            self.links.append(link)
        return self._known[link]

    def _link(self, path: Path) -> str:
        try:
            return data_link(path.read_bytes(), TYPES[path.suffix])
        except (OSError, KeyError):
            raise SrgridError(f"{path} is missing or no preview image: make the previews again.") from None


def page_data(data: CardData, budget: int) -> dict[str, Any]:
    """What the page's scripts work on. Previews beyond `budget` bytes are left out, the last of each cell first."""
    assets = Assets()
    return {
        "metrics": [
            {"name": m.name, "label": m.label, "unit": m.unit, "printed": m.printed, "sign": m.sign}
            for m in data.metrics
        ],
        "order": data.order,
        "images": {f"{d}|{s}": distinct(rows, "image") for (d, s), rows in _by(data.scores, "dataset", "scale")},
        "cells": _cells(data),
        "student": {size: student(size) for size in sorted(set(data.grid["images"])) if size > 1},
        "missing": [[*cell, reason] for cell, reason in data.missing.items()],
        "previews": _previews(data, assets, budget),
        "assets": assets.links,
        "published": [
            {"label": p.label, "dataset": p.dataset, "scale": p.scale, "method": p.method, "protocol": p.protocol,
             "psnr": p.psnr, "ssim": p.ssim, "text": p.text, "note": p.note}
            for p in data.published
        ],
        "costs": expenses(data),
        "literature": points(data),
        "curves": data.curves,
        "effects": _effects(data),
    }  # fmt: skip


def _by(frame: pd.DataFrame, *columns: str) -> Any:
    return frame.groupby(list(columns), sort=False)


def _cells(data: CardData) -> list[dict[str, Any]]:
    ends = data.intervals.set_index(CELL)
    found = []
    for key, rows in _by(data.scores, *CELL):
        entry: dict[str, Any] = dict(zip(CELL, key, strict=True))
        interval = ends.loc[key]
        for metric in data.metrics:
            digits = metric.printed + 2
            entry[metric.name] = [_number(value, digits) for value in rows[metric.name]]
            for name in (metric.name, f"{metric.name}_gain"):
                entry[f"{name}_ci"] = [
                    _number(float(interval[f"{name}{end}"]), digits) for end in ("", "_low", "_high")
                ]
        found.append(entry)
    return found


def _effects(data: CardData) -> list[dict[str, Any]]:
    """What each protocol choice of the audit moves bicubic's PSNR by, in dB, in every cell."""
    table = data.effects if data.effects is not None else pd.DataFrame(columns=["about", "psnr_change"])
    return [
        {"about": str(about), "psnr": [float(value) for value in rows["psnr_change"]]}
        for (about,), rows in _by(table, "about")
    ]


def _previews(data: CardData, assets: Assets, budget: int) -> list[dict[str, Any]]:
    """Image k of every cell comes before image k + 1 of any, so that a tight budget thins all cells alike."""
    shown: list[dict[str, Any]] = [
        {key: record[key] for key in ("dataset", "scale", "protocol", "error_gain")} | {"images": [], "left_out": 0}
        for record in data.previews
    ]
    spent = 0
    for rank in range(max((len(record["images"]) for record in data.previews), default=0)):
        for record, entry in zip(data.previews, shown, strict=True):
            if rank >= len(record["images"]):
                continue
            image, folder = record["images"][rank], Path(record["folder"])
            files = [image["hr"], image["thumb"], *(f for m in image["methods"].values() for f in m.values())]
            spent += sum(assets.size(folder / name) for name in files)
            if spent > budget:
                entry["left_out"] += 1
                continue
            methods = {
                m: {kind: assets.add(folder / f) for kind, f in kinds.items()} for m, kinds in image["methods"].items()
            }
            entry["images"].append(
                {
                    **image,
                    "hr": assets.add(folder / image["hr"]),
                    "thumb": assets.add(folder / image["thumb"]),
                    "methods": methods,
                }
            )
    return shown
