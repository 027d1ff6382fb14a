"""Scored cells: CSV files with the records that `srgrid cells` writes beside them, and whether they go together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from srgrid.errors import SrgridError
from srgrid.metrics import Metric
from srgrid.metrics.table import from_records
from srgrid.records import CELL, check_files, flatten, read_record
from srgrid.report.sources import sr_key
from srgrid.report.tables import cells, read_scores, run_metrics

_MAY_DIFFER = ("lr", "device", "kind", "degradation", "tile", "tiles", "batch", "threads")
_SECTIONS = {
    "methods": "upscale again with one model and one code, then score",
    "lr": "make the LR images and what follows from them again",
    "sr": "score again",
    "hr": "score all of them on the same HR images",
    "protocols": "score all of them under one definition",
    "code": "score all of them with the same srgrid and packages",
}


@dataclass(frozen=True)
class ScoredCell:
    """One cell's score file, what it holds, and its record."""

    path: Path
    scores: pd.DataFrame
    record: dict[str, Any]
    metrics: list[Metric]

    def made_of(self) -> dict[str, dict[str, Any]]:
        """What has to be the same in every cell with the same key, by section (see `_SECTIONS`)."""
        dataset, scale, method, protocol = (str(self.record["cell"][key]) for key in CELL)
        sr = self.record["sr"]
        made_by = sr["made_by"]
        kept = None if made_by is None else {k: v for k, v in made_by.items() if k not in _MAY_DIFFER}
        found: dict[str, dict[str, Any]] = {
            "methods": {f"{method} x{scale}": kept},
            "lr": {} if sr["lr"] is None else {f"{dataset} x{scale} under {protocol}": sr["lr"]},
            "sr": {sr_key(dataset, scale, method, protocol): {key: sr[key] for key in ("images", "sha256")}},
            "hr": {dataset: self.record["hr"]},
            "protocols": {protocol: self.record["protocol"]},
            "code": {"score": self.record["code"]},
        }
        return found


def read_cells(parts: Iterable[Path]) -> list[ScoredCell]:
    """Score files as `srgrid cells` wrote them.

    Raises SrgridError, naming the file, when one has no record, was edited after it was scored, or holds another cell.
    """
    found = []
    for part in map(Path, parts):
        record = read_record(part.with_suffix(".json"), "cell", f"score {part} again")
        check_files(part.parent, {part.name: record["csv"]}, "score it again")
        metrics = from_records(record["metrics"])
        scores = read_scores(part, metrics)
        if cells(scores) != [tuple(record["cell"][key] for key in CELL)]:
            raise SrgridError(f"{part}: holds another cell than its record says; score it again")
        found.append(ScoredCell(part, scores, record, metrics))
    return found


def check_agreement(scored: Sequence[ScoredCell], tables: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What the cells were made of, by section and key: `methods` ("METHOD xSCALE" -> what the SR manifests say), `lr`,
    `hr` (data set -> digest), `protocols` (name -> fields), `code` ("score" -> identity).

    `tables`: the record of a run's tables, that the cells have to agree with, too.
    Raises SrgridError, naming every difference, unless all cells were scored by the same metrics and agree wherever
    they have a key in common.
    """
    _check_metrics(scored, tables)
    agreed: dict[str, dict[str, Any]] = {section: dict((tables or {}).get(section, {})) for section in _SECTIONS}
    holders = {(section, key): "the grid" for section in agreed for key in agreed[section]}
    faults: dict[tuple[str, str], str] = {}
    for cell in scored:
        for section, entries in cell.made_of().items():
            for key, value in entries.items():
                holder = holders.setdefault((section, key), str(cell.path))
                if value != agreed[section].setdefault(key, value):
                    differing = _difference(agreed[section][key], value)
                    faults.setdefault((section, key), f"{key}: {differing} ({holder} and {cell.path})")
    if faults:
        lines = [f"{text}; {_SECTIONS[section]}" for (section, _), text in faults.items()]
        raise SrgridError("the scored cells do not go together: " + "\n  ".join(["", *lines]).strip())
    return agreed


def _check_metrics(scored: Sequence[ScoredCell], tables: Mapping[str, Any] | None) -> None:
    lists = {"the grid": run_metrics(tables)} if tables is not None else {}
    lists |= {str(cell.path): cell.metrics for cell in scored}
    texts = {holder: ", ".join(f"{m.name} (version {m.version})" for m in metrics) for holder, metrics in lists.items()}
    first = next(iter(texts), "")
    for holder, text in texts.items():
        if text != texts[first]:
            raise SrgridError(
                f"the scored cells do not go together: {first} holds {texts[first]}, {holder} {text}; "
                "score all of them by the same metrics"
            )


def _difference(first: Any, second: Any) -> str:
    """The values that differ: "precision fp32 and bf16"."""
    if not (isinstance(first, Mapping) and isinstance(second, Mapping)):
        names = ("unknown, SR images given by hand" if value is None else "recorded" for value in (first, second))
        return f"what made them is {' and '.join(names)}"
    one, two = flatten(first), flatten(second)
    keys = [key for key in sorted(one.keys() | two.keys()) if one.get(key) != two.get(key)]
    return ", ".join(f"{key} {_short(one.get(key))} and {_short(two.get(key))}" for key in keys)


def _short(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."


def cut_up(scored: Iterable[ScoredCell]) -> dict[str, list[dict[str, int]]]:
    """The tiles that images of each "METHOD xSCALE" were computed in, where these are not exact: side and overlap."""
    found: dict[str, set[tuple[int, int]]] = {}
    for cell in scored:
        made_by = cell.record["sr"]["made_by"] or {}
        sizes = {(int(one["side"]), int(one["overlap"])) for one in made_by.get("tiles", {}).values()}
        if sizes:
            found.setdefault(f"{cell.record['cell']['method']} x{cell.record['cell']['scale']}", set()).update(sizes)
    return {key: [{"side": s, "overlap": o} for s, o in sorted(sizes)] for key, sizes in sorted(found.items())}


def devices(scored: Iterable[ScoredCell]) -> dict[str, list[str]]:
    """The devices that made the SR images of each "METHOD xSCALE", where their manifests say."""
    found: dict[str, set[str]] = {}
    for cell in scored:
        made_by = cell.record["sr"]["made_by"] or {}
        if device := made_by.get("device"):
            found.setdefault(f"{cell.record['cell']['method']} x{cell.record['cell']['scale']}", set()).add(str(device))
    return {key: sorted(names) for key, names in sorted(found.items())}
