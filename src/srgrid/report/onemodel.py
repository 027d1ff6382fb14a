"""The repository of one model of a run: its card, its scores in the Hub's forms, and its weights if they are here."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from srgrid import __version__
from srgrid.errors import SrgridError
from srgrid.files import staged_file
from srgrid.markdown import md
from srgrid.models.card import ModelCard, render
from srgrid.models.find import CONFIG, WEIGHTS, weights_of
from srgrid.models.history import Model
from srgrid.models.hub import config_text
from srgrid.models.record import WeightsRecord
from srgrid.records import file_digest
from srgrid.report.card import render_part
from srgrid.report.cardata import CardData, gather
from srgrid.report.frontmatter import hub_id, results_keys, slug
from srgrid.report.origins import sources_of, training_sets
from srgrid.report.tables import BASELINE
from srgrid.report.views import CellView, RowView, rows

RESULTS = ".eval_results"


def write_model(
    run_dir: Path, method: str, out_dir: Path, hub: str = "", templates: Path | None = None
) -> dict[str, Path]:
    """Write a folder for one model of a run: README.md, .eval_results/*.yaml and, where they are at hand, its weights.

    hub: the repository that the folder goes to, for the card's commands. Returns the files by their names in the
    repository. Weights are copied if the files that the run used are srgrid's own and still there; what is not copied
    is said on stderr. Raises SrgridError if the run has no such method, or no weights of it on record.
    """
    data, out_dir = gather(Path(run_dir)), Path(out_dir)
    if method not in data.order["method"]:
        raise SrgridError(f"{run_dir}: has no method {method!r}; it has {', '.join(data.order['method'])}")
    own = [model for model in data.models if model.method == method]
    if not own:
        raise SrgridError(f"{run_dir}: has no weights of {method} on record; a card of one model needs some")
    weights = _weights(own)
    own = [_licensed(model, file) for model, file in zip(own, weights.values() or [None] * len(own), strict=True)]
    texts = {"README.md": _readme(data, own, weights, hub, templates), **eval_results(data, method)}
    if list(weights) == [WEIGHTS]:
        record = WeightsRecord.of_file(weights[WEIGHTS])
        texts |= {CONFIG: config_text(record)} if record else {}
    for name, text in texts.items():
        with staged_file(out_dir / name) as staged:
            staged.write_text(text, encoding="utf-8")
    for name, file in weights.items():
        with staged_file(out_dir / name) as staged:
            shutil.copyfile(file, staged)
    return {name: out_dir / name for name in (*texts, *weights)}


def _weights(models: Sequence[Model]) -> dict[str, Path]:
    """The weights that a run used, by their names in a repository; none unless all are here and srgrid's own."""
    found = {}
    for model in models:
        file, why = Path(model.path), ""
        if not model.path or not file.is_file():
            why = "is not here"
        elif file_digest(file) != model.sha256:
            why = "has other bytes than the run used"
        elif WeightsRecord.of_file(file) is None:
            why = "is not in srgrid's own form"
        if why:
            print(f"srgrid: weights not copied: {model.path or model.file} {why}", file=sys.stderr)
            return {}
        found[WEIGHTS if len(models) == 1 else weights_of(model.scale)] = file
    return found


def _licensed(model: Model, file: Path | None) -> Model:
    """The model with the licence that its weights say, where the run's record says none."""
    record = WeightsRecord.of_file(file) if file and not model.licence else None
    return replace(model, licence=(record.with_measured(file).licence or "") if record and file else model.licence)


def _readme(data: CardData, own: Sequence[Model], weights: dict[str, Path], hub: str, templates: Path | None) -> str:
    alone, method = replace(data, models=list(own)), own[0].method
    names = {model.scale: name for model, name in zip(own, weights, strict=False)}
    files = [replace(model, file=names.get(model.scale, model.file)) for model in own]
    sets = [source for dataset in data.order["dataset"] for source in sources_of(data, str(dataset))]
    return render(
        ModelCard(
            name=method,
            files=files,
            at=(hub or ".") if weights else "",
            front=results_keys(data, training_sets(alone), [method]),
            scores=_scores(data, method, templates),
            papers="\n\n".join(dict.fromkeys(source.bibtex for source in sets if source.bibtex)),
        )
    )


def _scores(data: CardData, method: str, templates: Path | None) -> str:
    """The model's rows of the grid, beside bicubic."""
    shown = []
    for row in rows(data):
        cells = {cell.method: cell for cell in row.cells if not cell.missing}
        if method in cells:
            shown.append(_row(row, cells[method], cells.get(BASELINE)))
    others = [name for name in data.order["method"] if name != method]
    context = {"method": method, "others": others, "rows": shown, "baseline": BASELINE in others}
    context |= {"metrics": data.metrics, "headline": data.headline}
    context["protocols"] = {name: data.protocols.get(name, {}).get("about", "") for name in data.order["protocol"]}
    return render_part("scores.md.j2", context, templates).strip()


def _row(row: RowView, own: CellView, base: CellView | None) -> dict[str, Any]:
    interval = f" [{own.interval}]" if own.interval else ""
    gain = own.gain + (f" [{own.gain_interval}]" if own.gain_interval else "") if own.gain else "none"
    texts = {"own": _values(own) + interval, "base": _values(base) if base else "none", "gain": gain}
    return {"dataset": row.dataset, "scale": row.scale, "protocol": row.protocol, "images": row.images, **texts}


def _values(cell: CellView) -> str:
    return md("/".join(value.text for value in cell.values))


def eval_results(data: CardData, method: str) -> dict[str, str]:
    """The Hub's `.eval_results/*.yaml` of a model by their names: a file for each data set that the Hub has.

    An entry for each scale and metric under the headline protocol; what was made of a set, such as Urban100-half, is
    left out, since it is not the Hub's.
    """
    grid = data.grid[(data.grid["method"] == method) & (data.grid["protocol"] == data.protocol)]
    files = {}
    for dataset in data.order["dataset"]:
        entry = data.datasets.get(str(dataset))
        if entry is None or not entry.hub or entry.parent:
            continue
        cells = grid[grid["dataset"] == dataset].to_dict("records")
        found = [_result(data, row, metric.name) for row in cells for metric in data.metrics]
        found = [one for one in found if math.isfinite(one["value"])]
        if found:
            files[f"{RESULTS}/{slug(str(dataset))}.yaml"] = yaml.safe_dump(found, sort_keys=False, width=120)
    return files


def _result(data: CardData, row: dict[Any, Any], name: str) -> dict[str, Any]:
    metric = next(one for one in data.metrics if one.name == name)
    unit = f", {metric.unit}" if metric.unit else ""
    notes = f"{metric.label}{unit} under the protocol {data.protocol}; {row['images']} images; srgrid {__version__}"
    return {
        "dataset": {"id": hub_id(data, str(row["dataset"])), "task_id": f"bicubic_x{row['scale']}_{name}"},
        "value": round(float(row[name]), metric.printed + 2),
        "notes": notes,
    }
