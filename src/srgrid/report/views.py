"""The grid as the card's templates show it: rows of printed cells, with the published values beside them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from srgrid.report.cardata import CardData, Model, fact
from srgrid.report.published import Published
from srgrid.report.tables import BASELINE, CELL, number

FACTS = {
    "training set": ("training_set",),
    "images": ("data.images",),
    "steps": ("provenance.steps", "exported_step", "steps"),
    "optimiser": ("recipe.optimiser",),
    "batch": ("recipe.batch", "batch"),
    "LR patch": ("recipe.patch", "patch"),
    "learning rate": ("recipe.lr", "lr"),
    "schedule": ("recipe.schedule",),
    "started from": ("provenance.init", "init"),
    "seed": ("recipe.seed", "seed"),
    "device": ("measured.device", "device"),
}


@dataclass(frozen=True)
class CellView:
    """One printed cell, or the reason why it is missing."""

    method: str
    missing: str = ""
    psnr: str = ""
    ssim: str = ""
    best_psnr: bool = False
    best_ssim: bool = False
    interval: str = ""
    gain: str = ""
    gain_interval: str = ""
    note: str = ""
    sort: float = -math.inf


@dataclass(frozen=True)
class PublishedView:
    """A published value beside a row: whether it compares under the row's protocol, and whether it came out again."""

    value: Published
    comparable: bool
    remade: str = ""


@dataclass(frozen=True)
class RowView:
    """A row of the grid: dataset, scale and protocol, with a cell per method."""

    dataset: str
    scale: int
    protocol: str
    images: int
    cells: list[CellView]
    published: list[PublishedView] = field(default_factory=list)


def rows(data: CardData) -> list[RowView]:
    """Every row of the grid in the order of the config, protocol by protocol, but for those the run leaves out."""
    means = {tuple(row[:4]): row[4:] for row in data.grid.itertuples(index=False, name=None)}
    ends = data.intervals.set_index(CELL).to_dict("index")
    found = []
    for protocol in data.order["protocol"]:
        for dataset in data.order["dataset"]:
            for scale in data.order["scale"]:
                if (dataset, scale) in data.left_out:
                    continue
                keys = {method: (dataset, scale, method, protocol) for method in data.order["method"]}
                present = {method: means[key] for method, key in keys.items() if key in means}
                shown = [_cell(data, key, present, ends.get(key, {})) for key in keys.values()]
                images = next((int(values[2]) for values in present.values()), 0)
                beside = _published(data, dataset, scale, protocol, means)
                found.append(RowView(dataset, scale, protocol, images, shown, beside))
    return found


def _cell(data: CardData, key: tuple[Any, ...], present: dict[str, Any], ends: dict[Any, Any]) -> CellView:
    method = key[2]
    if method not in present:
        return CellView(method, missing=data.missing[key])
    psnr, ssim, _ = present[method]
    top_psnr = max(round(values[0], 2) for values in present.values())
    top_ssim = max(round(values[1], 4) for values in present.values())
    several = len(present) > 1
    return CellView(
        method,
        psnr=_shown(psnr, 2),
        ssim=_shown(ssim, 4),
        best_psnr=several and round(psnr, 2) == top_psnr,
        best_ssim=several and round(ssim, 4) == top_ssim,
        interval=_range(ends, "psnr", ".2f"),
        gain=f"{ends['psnr_gain']:+z.2f}" if not pd.isna(ends["psnr_gain"]) else "",
        gain_interval=_range(ends, "psnr_gain", "+.2f"),
        note="" if pd.isna(ends["note"]) else str(ends["note"]),
        sort=float(psnr),
    )


def _shown(value: float, digits: int) -> str:
    return number(value, digits).replace("inf", "∞")


def _range(ends: dict[Any, Any], name: str, form: str) -> str:
    low, high = ends[f"{name}_low"], ends[f"{name}_high"]
    return "" if pd.isna(low) or pd.isna(high) else f"{low:{form}} to {high:{form}}"


def _published(data: CardData, dataset: str, scale: int, protocol: str, means: dict[Any, Any]) -> list[PublishedView]:
    """Those that compare under this protocol; beside the headline's rows, the others too."""
    found = []
    for value in data.published:
        if (value.dataset, value.scale) != (dataset, scale):
            continue
        comparable = value.protocol == protocol
        if comparable or protocol == data.protocol:
            own = means.get((dataset, scale, value.method, value.protocol))
            found.append(PublishedView(value, comparable, "" if own is None else _verdict(value, own[0], own[1])))
    return found


def _verdict(value: Published, psnr: float, ssim: float) -> str:
    """Whether a re-made mean prints as published; otherwise by how much it differs."""
    digits = [len(part.partition(".")[2]) for part in value.text.split("/")]
    if f"{psnr:.{digits[0]}f}/{ssim:.{digits[1]}f}" == value.text:
        return "re-made to every printed digit"
    return f"re-made {psnr - value.psnr:+z.2f} dB, {ssim - value.ssim:+z.4f}"


@dataclass(frozen=True)
class Origin:
    """Where a column comes from: the weights of one method at one scale, and how they were made."""

    model: Model
    facts: dict[str, str]
    time: str
    digest: str


def origins(data: CardData) -> list[Origin]:
    """One entry for each method and scale whose weights are recorded."""
    names = {str(m.facts["sha256"]): f"{m.method} x{m.scale}" for m in data.models if "sha256" in m.facts}
    return [Origin(m, _facts(m.facts, names), duration(m.facts), str(m.facts.get("sha256", ""))) for m in data.models]


def _facts(facts: dict[str, Any], names: dict[str, str]) -> dict[str, str]:
    """What FACTS names of it; `names` gives the method and scale of known weights by their digests."""
    found = {label: fact(facts, *names) for label, names in FACTS.items()}
    if isinstance(origin := found["started from"], str):
        found["started from"] = names.get(origin, f"weights {origin[:12]}")
    return {label: plain(value) for label, value in found.items() if value not in (None, "", [], {})}


def plain(value: object) -> str:
    """A value as text: numbers grouped by thousands, lists joined."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int):
        return f"{value:,}".replace(",", " ") if abs(value) >= 10000 else str(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return value
    return ", ".join(plain(item) for item in value) if isinstance(value, Iterable) else str(value)


def seconds(facts: dict[str, Any]) -> float | None:
    """The measured training time of a model, if its provenance holds one."""
    value = fact(facts, "measured.seconds", "seconds")
    return float(value) if isinstance(value, int | float) else None


def duration(facts: dict[str, Any]) -> str:
    """Measured training time in words, or an empty text."""
    value = seconds(facts)
    if value is None:
        return ""
    if value < 120:
        return f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


def gain_matrix(data: CardData) -> list[dict[str, Any]]:
    """Per dataset and scale, headline protocol: the best method's PSNR gain over bicubic, or why there is none."""
    shown = {(row.dataset, row.scale): row.cells for row in rows(data) if row.protocol == data.protocol}
    matrix = []
    for dataset in data.order["dataset"]:
        for scale in data.order["scale"]:
            cells = shown.get((dataset, scale), [])
            best = max((cell for cell in cells if cell.gain), key=lambda cell: cell.sort, default=None)
            base = next((cell for cell in cells if cell.method == BASELINE and not cell.missing), None)
            absent = data.left_out.get((dataset, scale), "missing")
            matrix.append({"dataset": dataset, "scale": scale, "cell": best, "base": base, "absent": absent})
    return matrix


@dataclass(frozen=True)
class Effect:
    """One protocol choice: its change of PSNR (dB) and SSIM in every cell, as texts, and their range over the cells."""

    about: str
    psnr: list[str]
    ssim: list[str]
    psnr_range: str
    ssim_range: str


def tuned_on_test(data: CardData) -> bool:
    """Whether the run scores the demo's model on the images that its size and recipe were chosen by."""
    return "sample" in data.order["dataset"] and "rcan-bam-xs" in data.order["method"]


def effect_cells(data: CardData) -> list[str]:
    """The cells that the audit's choices were measured on, as "Set5 x2", in order."""
    if data.effects is None:
        return []
    return list(dict.fromkeys(f"{row['dataset']} x{row['scale']}" for row in data.effects.to_dict("records")))


def audit_effects(data: CardData) -> list[Effect]:
    """What each protocol choice of the audit moves every cell by; lists run over `effect_cells`."""
    if data.effects is None:
        return []
    found = []
    for about, table in data.effects.groupby("about", sort=False):
        psnr, ssim = list(table["psnr_change"]), [f"{float(value):+z.4f}" for value in table["ssim_change"]]
        found.append(Effect(str(about), psnr, ssim, _span(psnr), _span(ssim)))
    return found


def _span(changes: list[str]) -> str:
    low, high = min(changes, key=float), max(changes, key=float)
    if float(low) == float(high) == 0:
        return "none"
    return low if low == high else f"{low} to {high}"


def audit_verdicts(data: CardData) -> dict[str, int]:
    """How often each verdict of the audit was reached, most frequent first."""
    if data.audit is None or "verdict" not in data.audit:
        return {}
    counts = data.audit["verdict"].value_counts(sort=False)
    return {str(k): int(v) for k, v in sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))}
