"""Cells made again from their inputs, and held against what is on record."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from srgrid import plan
from srgrid.bench import Config, Run
from srgrid.errors import SrgridError
from srgrid.files import set_identity
from srgrid.made import open_images
from srgrid.metrics import Metric
from srgrid.protocols import Protocol
from srgrid.records import CELL
from srgrid.report.sources import sr_key
from srgrid.report.tables import Cell, run_metrics
from srgrid.settings import Kind
from srgrid.upscale import Options
from srgrid.verification.found import Finding
from srgrid.verification.tolerance import tolerance
from srgrid.verification.weights import find_weights

Scores = dict[Cell, dict[str, list[str]]]
"""The texts of scores.csv, by cell and image."""


class Remake(Run):
    """The steps of a run with the weights that it had, found by their digests."""

    def __init__(self, config: Config, room: Path, run_dir: Path, tables: Mapping[str, Any]) -> None:
        super().__init__(config, room, {})
        self.run_dir, self.tables = run_dir, tables
        self.metrics = run_metrics(tables)
        self.weights: dict[tuple[str, int], str] = {}
        self.moved: set[tuple[str, int]] = set()  # (data set, scale) whose SR images are not all as recorded
        self.written = read_texts(run_dir / "scores.csv")

    def model(self, method: str, scale: int) -> str:
        """The weights that were found."""
        return self.weights.get((method, scale), method)

    def options(self, kind: Kind, method: str) -> Options:
        """As the run's, in the precision that it says its images were made in."""
        return replace(super().options(kind, method), precision=self.precision(method))

    def precision(self, method: str) -> Any:
        """What a column's network computed in."""
        known = [self.tables["methods"].get(f"{method} x{scale}") or {} for scale in self.config["scales"]]
        return next((made_by["precision"] for made_by in known if made_by.get("precision")), "fp32")

    def find(self, provenance: Mapping[str, Any], columns: Sequence[tuple[str, int]]) -> Iterator[Finding]:
        """The weights of columns."""
        for method, scale in columns:
            record = provenance["weights"].get(f"{method} x{scale}")
            if record and method in plan.networks(self.config):
                rgb_range = self.config["upscale"]["rgb_range"].get(method)
                place, finding = find_weights(record, self.run_dir, rgb_range)
                if place:
                    self.weights[method, scale] = place
                yield finding

    def inputs(self, name: str, scale: int, rules: Sequence[Protocol]) -> Iterator[Finding]:
        """The HR images of a data set, and its LR images of protocols, by their digests."""
        hr = set_identity(read_digests(self.hr(name)))
        yield _held(f"HR images of {name}", hr, self.tables["hr"].get(name))
        for protocol in rules:
            known = self.tables["lr"].get(f"{name} x{scale} under {protocol.name}")
            lr = set_identity(read_digests(self.lr(protocol.degradation, name, scale)))
            yield _held(f"LR images of {name} x{scale}, {protocol.degradation}", lr, known)

    def cells_of(self, column: tuple[str, int, str], rules: Sequence[Protocol]) -> Iterator[Finding]:
        """A column's cells of one data set and scale: scored again, and compared image by image."""
        name, scale, method = column
        missing = method in plan.networks(self.config) and (method, scale) not in self.weights
        try:
            if missing:
                raise SrgridError("its weights are not here")
            parts = self.score_column(method, name, scale, rules)
        except SrgridError as error:
            said = str(error).replace(f"{self.room}/", "")
            self.moved.add((name, scale))
            yield from (Finding(_named((*column, p.name)), "cannot be checked", said) for p in rules)
            return
        for part, protocol in zip(parts, rules, strict=True):
            yield self._compared((name, scale, method, protocol.name), part)

    def _compared(self, cell: Cell, part: Path) -> Finding:
        record = json.loads(part.with_suffix(".json").read_bytes())
        made, written = read_texts(part)[cell], self.written[cell]
        known = self.tables.get("sr", {}).get(sr_key(*cell))
        same = known == {key: record["sr"][key] for key in ("images", "sha256")}
        if not same and known is not None:
            self.moved.add(cell[:2])
        network = cell[2] in plan.networks(self.config)
        moved = known is not None and not same
        if moved and made == written:
            apart = f"{len(made)} images, the same scores of other pixels"
            return Finding(_named(cell), "within tolerance" if network else "differs", apart)
        limits = [tolerance(m, self.precision(cell[2])) if network and not same else 0.0 for m in self.metrics]
        return held_against(_named(cell), made, written, list(zip(self.metrics, limits, strict=True)))

    def forget(self, name: str, scale: int) -> None:
        """Remove the SR images of a data set at a scale."""
        for folder in (self.room / "SR").glob(f"*/*/{name}/x{scale}"):
            shutil.rmtree(folder)


def held_against(
    what: str,
    made: Mapping[str, Sequence[str]],
    written: Mapping[str, Sequence[str]],
    limits: Sequence[tuple[Metric, float]],
) -> Finding:
    """The scores of a cell, by image, made again and as they are written; limits: the tolerance of each metric."""
    if made.keys() != written.keys():
        apart = ", ".join(sorted(made.keys() ^ written.keys()))
        return Finding(what, "differs", f"not the same images: {apart}")
    off = [
        (_apart(new, old), metric, limit, image, old, new)
        for image in made
        for (metric, limit), old, new in zip(limits, written[image], made[image], strict=True)
        if old != new
    ]
    if not off:
        return Finding(what, "equal", f"{len(made)} images")
    beyond = [one for one in off if one[0] > one[2]]
    worst, metric, limit, image, old, new = max(beyond or off, key=lambda one: one[0] * 10 ** one[1].printed)
    if not beyond:
        images = len({one[3] for one in off})
        return Finding(what, "within tolerance", f"{images} of {len(made)} images, by up to {worst:.1g} {metric.name}")
    more = f", and {len(beyond) - 1} more" if len(beyond) > 1 else ""
    within = f" (tolerance {limit:.1g})" if limit else ""
    return Finding(what, "differs", f"{image}: {metric.name} is {old}, made again {new}{within}{more}")


def _apart(new: str, old: str) -> float:
    values = [float(text) if text else math.nan for text in (new, old)]
    apart = abs(values[0] - values[1])
    return math.inf if math.isnan(apart) else apart


def _held(what: str, made: Mapping[str, Any], known: Mapping[str, Any] | None) -> Finding:
    if known is None:
        return Finding(what, "not sampled", "the run has no digest of them")
    if dict(known) == dict(made):
        return Finding(what, "equal", f"{made['images']} images")
    return Finding(what, "differs", f"other images than those that were scored ({made['images']}, {known['images']})")


def read_digests(folder: Path) -> dict[str, str]:
    """The digest of every image of a made folder, by file name, as a score's record has them."""
    images = open_images(folder, floats=True)
    return {name: entry["sha256"] for name, entry in images.noted.items()}


def read_texts(path: Path) -> Scores:
    """A table of scores as it is written."""
    found: Scores = {}
    with path.open(newline="", encoding="utf-8") as file:
        _, *rows = csv.reader(file)
    for row in rows:
        dataset, scale, method, protocol = row[: len(CELL)]
        found.setdefault((dataset, int(scale), method, protocol), {})[row[4]] = row[5:]
    return found


def _named(cell: Cell) -> str:
    dataset, scale, method, protocol = cell
    return f"{dataset} x{scale} {method} {protocol}"
