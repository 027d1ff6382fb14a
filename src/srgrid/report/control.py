"""The control: two models of a run that differ in their attention alone, image by image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from srgrid.models.history import Model, Training
from srgrid.report.cardata import CardData
from srgrid.report.differences import paired


@dataclass(frozen=True)
class ControlRow:
    """One cell under the headline protocol: the mean paired difference over its images by each metric, and the interval
    of the headline metric's."""

    dataset: str
    scale: int
    images: int
    values: list[str]
    interval: str


@dataclass(frozen=True)
class Control:
    """What balanced attention brings over channel attention: rows of (method minus control)."""

    method: str
    control: str
    parameters: str
    same_training: bool
    rows: list[ControlRow]


def controls(data: CardData) -> list[Control]:
    """One for each pair of methods whose weights record the same network but for its attention, bam and ca."""
    shapes: dict[str, dict[int, Model]] = {}
    for model in data.models:
        shapes.setdefault(model.method, {})[model.scale] = model
    found = []
    for method, own in shapes.items():
        for control, other in shapes.items():
            common = [scale for scale in own if scale in other and _differ_in_attention(own[scale], other[scale])]
            rows = _rows(data, method, control, common)
            if rows:
                counts = [f"x{s}: {own[s].parameters:,} and {other[s].parameters:,}" for s in common]
                same = all(_same_training(own[s].training, other[s].training) for s in common)
                found.append(Control(method, control, "; ".join(counts), same, rows))
    return found


def _differ_in_attention(own: Model, other: Model) -> bool:
    shape, against = dict(own.config), dict(other.config)
    attention = (shape.pop("attention", None), against.pop("attention", None))
    return attention == ("bam", "ca") and own.architecture == other.architecture and shape == against


def _same_training(own: Training, other: Training) -> bool:
    return (own.recipe, own.data) == (other.recipe, other.data)


def _rows(data: CardData, method: str, control: str, scales: list[int]) -> list[ControlRow]:
    scores = data.scores[data.scores["protocol"] == data.protocol]
    rows = []
    for dataset in data.order["dataset"]:
        for scale in data.order["scale"]:
            cell = scores[(scores["dataset"] == dataset) & (scores["scale"] == scale)]
            own, other = (cell[cell["method"] == name].set_index("image") for name in (method, control))
            if scale not in scales or own.empty or other.empty:
                continue
            apart = [own[m.name].to_numpy(float) - other.loc[own.index, m.name].to_numpy(float) for m in data.metrics]
            texts = [f"{d.mean():+z.{m.printed + 1}f}" for m, d in zip(data.metrics, apart, strict=True)]
            _, low, high, *_ = paired(apart[0])
            form = f"+z.{data.headline.printed + 1}f"
            interval = "" if np.isnan(low) else f"{low:{form}} to {high:{form}}"
            rows.append(ControlRow(str(dataset), int(scale), len(own), texts, interval))
    return rows
