"""Everything a card shows, gathered from a run's tables: no image, model or training is touched."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from srgrid.errors import SrgridError
from srgrid.report.intervals import INTERVAL_COLUMNS
from srgrid.report.published import Published, published
from srgrid.report.sources import read_previews
from srgrid.report.tables import BASELINE, CELL, Cell, cells, distinct, read_grid, read_scores

NOT_RUN = "not scored in this run"
CURVE_POINTS = 400


@dataclass(frozen=True)
class Model:
    """One weights file: what it is, and how it was trained as far as its provenance tells."""

    method: str
    scale: int | None
    file: str
    parameters: int | None
    facts: dict[str, Any]


@dataclass(frozen=True)
class CardData:
    """The content of a card. Paths in `figures` and `previews` are those of the run directory.

    `missing` gives a reason for every cell without scores; `left_out` the data sets and scales that are no part of the
    grid, with the reason.
    """

    title: str
    scores: pd.DataFrame
    grid: pd.DataFrame
    intervals: pd.DataFrame
    order: dict[str, list[Any]]
    missing: dict[Cell, str]
    left_out: dict[tuple[str, int], str]
    models: list[Model]
    published: list[Published]
    provenance: dict[str, Any]
    figures: list[dict[str, Any]] = field(default_factory=list)
    previews: list[dict[str, Any]] = field(default_factory=list)
    curves: list[dict[str, Any]] = field(default_factory=list)
    audit: pd.DataFrame | None = None
    effects: pd.DataFrame | None = None
    columns: pd.DataFrame | None = None
    downloads: dict[str, str] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def protocol(self) -> str:
        """The protocol of the headline: the first of the run."""
        return str(self.order["protocol"][0])

    @property
    def methods(self) -> list[str]:
        """All methods but bicubic."""
        return [method for method in self.order["method"] if method != BASELINE]


def gather(
    run_dir: Path,
    *,
    title: str | None = None,
    missing: Iterable[Mapping[str, Any]] = (),
    meta: Mapping[str, Any] | None = None,
) -> CardData:
    """Read a run directory: scores.csv, grid.csv, intervals.csv, provenance.json, and, where they exist, the audit's
    tables, figures/*.json, previews/*/previews.json and state/*/log.jsonl.

    `missing` lists cells that were not run: dataset, scale, method, protocol (without one: all of them) and reason. A
    dataset at a scale, whatever the method and protocol, is left out of the grid.
    Raises SrgridError when a table is missing, damaged, or does not follow from scores.csv.
    """
    run_dir = Path(run_dir)
    scores, grid = read_scores(run_dir / "scores.csv"), read_grid(run_dir / "grid.csv")
    check_fresh(scores, grid, run_dir / "grid.csv")
    provenance = read_json(run_dir / "provenance.json")
    order = _order(grid, provenance)
    reasons = [*missing, *provenance.get("missing", [])]
    return CardData(
        title=title or str(_config(provenance).get("run") or run_dir.name),
        scores=scores,
        grid=grid,
        intervals=_intervals(run_dir / "intervals.csv", grid),
        order=order,
        missing=_missing(grid, order, reasons),
        left_out={
            (str(reason["dataset"]), int(reason["scale"])): str(reason["reason"])
            for reason in reasons
            if {"dataset", "scale"} <= reason.keys() and not {"method", "protocol"} & reason.keys()
        },
        models=_models(provenance, order["method"]),
        published=[
            value for value in published() if value.dataset in order["dataset"] and value.scale in order["scale"]
        ],
        provenance=provenance,
        figures=[read_json(path) for path in sorted((run_dir / "figures").glob("*.json")) if _is_figure(path)],
        previews=_previews(run_dir / "previews", order),
        curves=[read_curve(path) for path in sorted((run_dir / "state").glob("*/log.jsonl"))],
        audit=_optional(run_dir / "audit.csv"),
        effects=_optional(run_dir / "effects.csv"),
        columns=_optional(run_dir / "columns.csv"),
        downloads={name: (run_dir / name).read_text(encoding="utf-8") for name in ("grid.csv", "scores.csv")},
        meta=dict(meta or {}),
    )


def check_fresh(scores: pd.DataFrame, grid: pd.DataFrame, path: Path) -> None:
    """Raise SrgridError unless every cell of the grid is the mean of its rows in the scores."""
    means = scores.groupby(CELL, sort=False)[["psnr", "ssim"]].mean()
    listed = grid.set_index(CELL)[["psnr", "ssim"]]
    same = set(means.index) == set(listed.index)
    if not same or not np.allclose(means.loc[listed.index], listed, rtol=0, atol=2e-6, equal_nan=True):
        raise SrgridError(f"{path} does not follow from scores.csv beside it: make the grid again.")


def read_json(path: Path) -> dict[str, Any]:
    """One JSON object. Raises SrgridError when the file is missing or damaged."""
    try:
        loaded = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SrgridError(f"{path} does not exist: the card needs it; run the step that makes it.") from None
    except (OSError, ValueError) as error:
        raise SrgridError(f"{path} is not readable JSON ({error}): make it again.") from None
    if not isinstance(loaded, dict):
        raise SrgridError(f"{path} holds no JSON object: make it again.")
    return loaded


def _is_figure(path: Path) -> bool:
    return "images" in read_json(path) and "png" in read_json(path)


def _config(provenance: Mapping[str, Any]) -> Mapping[str, Any]:
    config = provenance.get("config", {})
    return config if isinstance(config, Mapping) else {}


def _order(grid: pd.DataFrame, provenance: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Values in the order of the config, then what the table holds beyond it."""
    keys = {"dataset": "datasets", "scale": "scales", "method": "methods", "protocol": "protocols"}
    order = {}
    for column, key in keys.items():
        named = _config(provenance).get(key)
        wanted = list(named) if isinstance(named, list | dict) else []
        order[column] = list(dict.fromkeys([*wanted, *distinct(grid, column)]))
    return order


def _missing(
    grid: pd.DataFrame, order: Mapping[str, list[Any]], reasons: Iterable[Mapping[str, Any]]
) -> dict[Cell, str]:
    present, listed = set(cells(grid)), list(reasons)
    found: dict[Cell, str] = {}
    for dataset in order["dataset"]:
        for scale in order["scale"]:
            for method in order["method"]:
                for protocol in order["protocol"]:
                    cell = (str(dataset), int(scale), str(method), str(protocol))
                    if cell not in present:
                        found[cell] = next((str(r["reason"]) for r in listed if _covers(r, cell)), NOT_RUN)
    return found


def _covers(reason: Mapping[str, Any], cell: Cell) -> bool:
    return all(reason.get(key) in (None, value) for key, value in zip(CELL, cell, strict=True))


def _intervals(path: Path, grid: pd.DataFrame) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(("dataset", "note"), str))
    except FileNotFoundError:
        raise SrgridError(f"{path} does not exist: make the intervals from scores.csv first.") from None
    except (OSError, ValueError) as error:
        raise SrgridError(f"{path} is not a readable table ({error}): make it again.") from None
    if list(table.columns) != INTERVAL_COLUMNS or set(cells(table)) != set(cells(grid)):
        raise SrgridError(f"{path} does not belong to the grid beside it: make the intervals again.")
    return table


def _optional(path: Path) -> pd.DataFrame | None:
    return pd.read_csv(path, dtype=str, keep_default_na=False) if path.exists() else None


def flatten(record: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings and lists as one level with dotted keys; lists of plain values stay lists."""
    if isinstance(record, Mapping):
        items: Iterable[tuple[Any, Any]] = record.items()
    elif isinstance(record, list) and any(isinstance(item, Mapping | list) for item in record):
        items = enumerate(record)
    else:
        return {prefix: record}
    flat: dict[str, Any] = {}
    for key, value in items:
        flat |= flatten(value, f"{prefix}.{key}" if prefix else str(key))
    return flat


def fact(facts: Mapping[str, Any], *names: str) -> Any:
    """The first value whose dotted key ends in one of the names, in the order of the names; None without any."""
    for name in names:
        for key, value in facts.items():
            if key == name or key.endswith("." + name):
                return value
    return None


def _models(provenance: Mapping[str, Any], methods: Iterable[str]) -> list[Model]:
    models = []
    config = _config(provenance)
    name_of_set = "+".join(map(str, (config.get("train") or {}).get("images", [])))
    given = _given_files(config)
    longest = sorted((str(method) for method in methods), key=len, reverse=True)
    for name, record in sorted(provenance.get("weights", {}).items()):
        facts = flatten(record)
        if name_of_set and name not in given:
            facts.setdefault("training_set", name_of_set)
        stem = Path(name).stem
        method = next((known for known in longest if stem == known or stem.startswith(known + "_")), stem)
        scale = str(fact(facts, "scale") or stem.rsplit("_x", 1)[-1])
        parameters = fact(facts, "parameters")
        count = int(parameters) if isinstance(parameters, int | float) else None
        models.append(Model(method, int(scale) if scale.isdigit() else None, name, count, facts))
    return models


def _given_files(config: Mapping[str, Any]) -> set[str]:
    """File names of weights that the config names: this run did not train them, so its training set is not theirs."""
    patterns = (config.get("weights") or {}).values()
    return {Path(str(text).replace("{scale}", str(s))).name for text in patterns for s in config.get("scales", [])}


def _previews(folder: Path, order: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    found = []
    for path in sorted(folder.glob("*/previews.json")):
        record = read_previews(path.parent)
        if record["dataset"] in order["dataset"] and record["scale"] in order["scale"]:
            found.append({**record, "folder": str(path.parent)})
    return sorted(found, key=lambda r: (order["dataset"].index(r["dataset"]), order["scale"].index(r["scale"])))


def read_curve(path: Path) -> dict[str, Any]:
    """A training log (one JSON object a line) as series of numbers over `step`, thinned evenly to 400 points at most.

    A torn last line, as a killed training leaves it, is passed over; one before it raises SrgridError.
    """
    series: dict[str, list[tuple[float, float]]] = {}
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        try:
            row = flatten(json.loads(line))
        except ValueError:
            if number == len(lines):
                break
            raise SrgridError(f"{path}, line {number}: damaged training log; train again or remove the log.") from None
        for key, value in row.items():
            if (
                key not in ("step", "seconds")
                and "step" in row
                and isinstance(value, int | float)
                and np.isfinite(value)
            ):
                series.setdefault(key, []).append((float(row["step"]), float(value)))
    thinned = {key: points[:: -(-len(points) // CURVE_POINTS)] for key, points in series.items()}
    return {"name": path.parent.name, "series": {key: thinned[key] for key in sorted(thinned)}}
