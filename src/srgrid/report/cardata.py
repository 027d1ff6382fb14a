"""Everything a card shows, gathered from a run's tables: no image, model or training is touched."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from srgrid.code import NOT_INSTALLED, code_identity
from srgrid.configuration import Card
from srgrid.cost import Cost
from srgrid.data.registry import Dataset, load_registry
from srgrid.degrade import Degradation, degradations
from srgrid.errors import SrgridError
from srgrid.installed import shared
from srgrid.metrics import Metric
from srgrid.models.history import Model
from srgrid.plan import weights_path
from srgrid.records import SELECTION, TABLE_NAMES, check_files, read_record, tables_record
from srgrid.report.audit import AUDIT
from srgrid.report.costs import COSTS, run_costs
from srgrid.report.curves import read_curve, read_given
from srgrid.report.intervals import read_intervals
from srgrid.report.model import models
from srgrid.report.published import Published, published
from srgrid.report.tables import (
    BASELINE,
    CELL,
    Cell,
    Metrics,
    cells,
    distinct,
    read_grid,
    read_scores,
    run_metrics,
    same_means,
)
from srgrid.settings import told

NOT_RUN = "not scored in this run"


@dataclass(frozen=True)
class CardData:
    """The content of a card. Paths in `figures` and `previews` are those of the run directory.

    `words`: what the config says of the card. `missing` gives a reason for every cell without scores; `left_out` the
    data sets and scales that are no part of the grid, with the reason. `made_by`: what made the SR images of each
    "METHOD xSCALE", None of images given by hand. `tiles`: those that images were cut into, likewise. `protocols`: the
    fields of each. `datasets`, `degradations`: all that are known, by name. `other_code`: what was made by other code.
    """

    title: str
    words: Card
    metrics: list[Metric]
    scores: pd.DataFrame
    grid: pd.DataFrame
    intervals: pd.DataFrame
    order: dict[str, list[Any]]
    missing: dict[Cell, str]
    left_out: dict[tuple[str, int], str]
    models: list[Model]
    published: list[Published]
    provenance: dict[str, Any]
    made_by: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    tiles: Mapping[str, Sequence[Mapping[str, int]]] = field(default_factory=dict)
    protocols: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    datasets: Mapping[str, Dataset] = field(default_factory=dict)
    degradations: Mapping[str, Degradation] = field(default_factory=dict)
    other_code: list[str] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)
    previews: list[dict[str, Any]] = field(default_factory=list)
    curves: list[dict[str, Any]] = field(default_factory=list)
    audit: pd.DataFrame | None = None
    effects: pd.DataFrame | None = None
    columns: pd.DataFrame | None = None
    costs: list[Cost] = field(default_factory=list)
    downloads: dict[str, str] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def protocol(self) -> str:
        """The protocol of the headline: the first of the run."""
        return str(self.order["protocol"][0])

    @property
    def headline(self) -> Metric:
        """The metric whose gains are shown and that images are chosen by: the first of the run."""
        return self.metrics[0]

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
    """Read a run directory: scores.csv, grid.csv, intervals.csv, provenance.json, and, where they exist and the run
    declares them, costs.csv, the audit's tables, figures/*.json, previews/*/previews.json and state/*/log.jsonl.

    `missing` lists cells that were not run: dataset, scale, method, protocol (without one: all of them) and reason. A
    dataset at a scale, whatever the method and protocol, is left out of the grid.
    Raises SrgridError when a file is missing, was edited, or was made from other tables than those that are there.
    """
    run_dir = Path(run_dir)
    tables = tables_record(run_dir, TABLE_NAMES)
    provenance = _provenance(run_dir / "provenance.json", tables)
    config, read = provenance["config"], _tables(run_dir, run_metrics(tables))
    order, reasons = _order(read["grid"], config), [*missing, *provenance["missing"]]
    said, (costs, priced_by) = _said(run_dir / "provenance.json", config), run_costs(run_dir, tables["methods"])
    return CardData(
        title=title or said["words"].title or str(config.get("run") or run_dir.name),
        order=order,
        missing=_missing(read["grid"], order, reasons),
        left_out=_left_out(reasons),
        made_by=tables["methods"],
        tiles=tables.get("tiles", {}),
        protocols=tables["protocols"],
        other_code=other_code(tables, priced_by),
        published=[p for p in published() if p.dataset in order["dataset"] and p.scale in order["scale"]],
        provenance=provenance,
        meta=dict(meta or {}),
        costs=costs,
        **said,
        **read,
        **_networks(run_dir, provenance, order),
        **_drawn(run_dir, _Drawn(tables, read["grid"], order)),
        **_audit(run_dir, tables, config),
    )


def _said(path: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """The config's words for the card, and the data sets and degradations, its own among them."""
    card = config.get("card", {})
    try:
        datasets = load_registry(config.get("define_datasets"))
        made = degradations(config.get("define_degradations"))
    except SrgridError as error:
        raise SrgridError(f"{path}: config: {error}") from None
    words = Card(**{key: card[key] for key in told(Card) if key in card})
    return {"words": words, "datasets": datasets, "degradations": made}


def _tables(run_dir: Path, metrics: list[Metric]) -> dict[str, Any]:
    """The run's tables, which have to follow from each other."""
    scores, grid = read_scores(run_dir / "scores.csv", metrics), read_grid(run_dir / "grid.csv", metrics)
    check_fresh(scores, grid, metrics, run_dir / "grid.csv")
    intervals = read_intervals(run_dir / "intervals.csv", grid, metrics)
    names = [name for name in ("grid.csv", "scores.csv", COSTS) if (run_dir / name).exists()]
    downloads = {name: (run_dir / name).read_text(encoding="utf-8") for name in names}
    return {"metrics": metrics, "scores": scores, "grid": grid, "intervals": intervals, "downloads": downloads}


def check_fresh(scores: pd.DataFrame, grid: pd.DataFrame, metrics: Metrics, path: Path) -> None:
    """Raise SrgridError unless every cell of the grid is the mean of its rows in the scores."""
    groups, names = scores.groupby(CELL, sort=False), [metric.name for metric in metrics]
    means = groups[names].mean().assign(images=groups.size())
    listed = grid.set_index(CELL)
    if set(means.index) != set(listed.index) or not same_means(means.loc[listed.index], listed, metrics):
        raise SrgridError(f"{path} does not follow from scores.csv beside it: make the grid again.")


def _provenance(path: Path, tables: Mapping[str, Any]) -> dict[str, Any]:
    """The run's provenance; SrgridError unless it was written for these tables."""
    again = "write it again (srgrid provenance)"
    record = read_record(path, "provenance", again)
    if any(tables["sha256"].get(name) != digest for name, digest in record["outputs"].items()):
        raise SrgridError(f"{path}: written for other tables than those beside it; {again}")
    return record


def _order(grid: pd.DataFrame, config: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Values in the order of the config, if it names any; else those of the table."""
    keys = {"dataset": "datasets", "scale": "scales", "method": "methods", "protocol": "protocols"}
    order = {}
    for column, key in keys.items():
        named, held = list(config.get(key) or []), distinct(grid, column)
        beyond = [str(value) for value in held if named and value not in named]
        if beyond:
            raise SrgridError(
                f"grid.csv holds the {column} {beyond[0]}, which the config of provenance.json lacks: make it again"
            )
        order[column] = named or held
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


def _left_out(reasons: Iterable[Mapping[str, Any]]) -> dict[tuple[str, int], str]:
    return {
        (str(reason["dataset"]), int(reason["scale"])): str(reason["reason"])
        for reason in reasons
        if {"dataset", "scale"} <= reason.keys() and not {"method", "protocol"} & reason.keys()
    }


def _covers(reason: Mapping[str, Any], cell: Cell) -> bool:
    return all(reason.get(key) in (None, value) for key, value in zip(CELL, cell, strict=True))


def _audit(run_dir: Path, tables: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """The audit's tables, unless the run declares that it has none; SrgridError if they are not of this grid."""
    there = [name for name in ("audit.csv", AUDIT) if (run_dir / name).exists()]
    if not config.get("audit", True) or not there:
        return {}
    again = "make the audit again (srgrid audit), or set `audit: false`"
    record = read_record(run_dir / AUDIT, "audit", again)
    check_files(run_dir, record["sha256"], again)
    if any(tables["sha256"][name] != digest for name, digest in record["from"].items()):
        raise SrgridError(f"{run_dir / 'audit.csv'}: made from another grid; {again}")
    return {
        name.removesuffix(".csv"): pd.read_csv(run_dir / name, dtype=str, keep_default_na=False)
        for name in record["sha256"]
        if name in ("audit.csv", "effects.csv", "columns.csv")
    }


def _networks(run_dir: Path, provenance: Mapping[str, Any], order: Mapping[str, list[Any]]) -> dict[str, Any]:
    """The run's networks, and the curves of their trainings: its own, and of given weights (`read_given`)."""
    found, given = models(provenance, order), provenance["config"].get("weights") or {}
    curves = []
    for model in found:
        name = f"{model.method}_x{model.scale}"
        if model.method in given:
            curves.append(read_given(weights_path(given[model.method], model.scale, shared()), name, model.training))
        elif (log := run_dir / f"state/{name}/log.jsonl").exists():
            curves.append(read_curve(log, name))
    curves = [curve for curve in curves if curve]
    return {"models": found, "curves": curves}


class _Drawn:
    """What is drawn from a run's scores: records of the cells that the run declares, and of no others."""

    def __init__(self, tables: Mapping[str, Any], grid: pd.DataFrame, order: Mapping[str, list[Any]]) -> None:
        self.scores = tables["sha256"]["scores.csv"]
        self.protocol = order["protocol"][0]
        held = set(zip(grid["dataset"], grid["scale"], strict=True))
        self.cells = [(d, s) for d in order["dataset"] for s in order["scale"] if (d, s) in held]

    def records(self, paths: Iterable[Path], kind: str) -> list[dict[str, Any]]:
        """Those of declared cells, with `folder`; SrgridError if one is edited or of other scores."""
        found = []
        for path in sorted(path for path in paths if not path.name.startswith(".")):
            again = f"draw it again (srgrid figure), or remove {path}"
            record = read_record(path, kind, again)
            if (record["dataset"], record["scale"]) not in self.cells:
                continue
            if record["scores_sha256"] != self.scores or record["protocol"] != self.protocol:
                raise SrgridError(f"{path}: drawn from other scores than scores.csv; {again}")
            shown = {name: digest for name, digest in record["sha256"].items() if not name.endswith(".pdf")}
            check_files(path.parent, shown, again)
            found.append({**record, "folder": str(path.parent)})
        return found

    def rank(self, record: Mapping[str, Any]) -> int:
        """The place of a record's cell in the order of the run."""
        return self.cells.index((record["dataset"], record["scale"]))


def _drawn(run_dir: Path, drawn: _Drawn) -> dict[str, Any]:
    """The run's figures and previews."""
    figures = [path for path in (run_dir / "figures").glob("*.json") if not path.name.endswith(SELECTION)]
    previews = drawn.records((run_dir / "previews").glob("*/previews.json"), "previews")
    return {"figures": drawn.records(figures, "figure"), "previews": sorted(previews, key=drawn.rank)}


def other_code(tables: Mapping[str, Any], priced_by: Mapping[str, Any] | None = None) -> list[str]:
    """What of the run was made by other code than this, as sentences: source digests and package versions.

    priced_by: the code that found its costs, if it has any.
    """
    made = {"the scores": ("srgrid.scoring", tables["code"].get("score"))}
    made["the grid"] = ("srgrid.report.grid", tables["code"].get("grid"))
    made |= {"the costs": ("srgrid.cost", priced_by)} if priced_by else {}
    for column, made_by in tables["methods"].items():
        if made_by is not None:
            module = "srgrid.given" if made_by.get("step") == "sr" else "srgrid.upscale"
            made[f"the SR images of {column}"] = (module, made_by.get("code"))
    found: dict[str, list[str]] = {}
    for what, (module, code) in made.items():
        if apart := _apart(code, code_identity(module)):
            found.setdefault(apart, []).append(what)
    return [
        f"Not made by the code that made this card: {', '.join(whats)} ({apart})." for apart, whats in found.items()
    ]


def _apart(code: object, here: Mapping[str, str]) -> str:
    """How a recorded identity differs from this code's: "numpy 2.3, here 2.4"; packages that are not here are no
    difference, as a card needs none of them."""
    if not isinstance(code, dict):
        return "by which is not recorded"
    names = [name for name in sorted(here) if code.get(name) != here[name] != NOT_INSTALLED]
    return "; ".join(f"{name} {code.get(name, 'none')}, here {here[name]}" for name in names)
