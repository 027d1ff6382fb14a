"""What the Hugging Face Hub reads at the head of a card."""

import math
import re
from collections.abc import Mapping
from typing import Any

import yaml

from srgrid.report.cardata import CardData
from srgrid.report.origins import licence, training_sets
from srgrid.report.tables import BASELINE


def front_matter(data: CardData) -> str:
    """The Hub's YAML: license if it is known, tags, datasets, metrics, pipeline tag, model-index; `data.meta` has the
    last word."""
    hub = [_hub(data, name) for name in [*training_sets(data), *data.order["dataset"]]]
    card: dict[str, Any] = {
        **_license(licence(data)),
        "library_name": "srgrid",
        "pipeline_tag": "image-to-image",
        "tags": ["super-resolution", "image-super-resolution", "srgrid"],
        "datasets": list(dict.fromkeys(name for name in hub if name)),
        "metrics": [metric.name for metric in data.metrics],
        "model-index": model_index(data),
    }
    if not card["datasets"]:
        del card["datasets"]
    return yaml.safe_dump(card | data.meta, sort_keys=False, allow_unicode=True, width=120)


def _license(known: str) -> dict[str, str]:
    """The Hub's identifier, SPDX's in lower case; `other` with a name for what is none; nothing where none is known."""
    if not known or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+-]*", known):
        return {"license": known.lower()} if known else {}
    return {"license": "other", "license_name": known}


def _hub(data: CardData, dataset: str) -> str:
    return data.datasets[dataset].hub if dataset in data.datasets else ""


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def model_index(data: CardData) -> list[dict[str, Any]]:
    """One entry per model (bicubic if there is no other), one result per dataset and scale, headline protocol."""
    index = []
    for method in data.methods or [BASELINE]:
        cells = data.grid[(data.grid["method"] == method) & (data.grid["protocol"] == data.protocol)]
        results = [_result(data, row) for row in cells.to_dict("records")]
        if results:
            index.append({"name": str(method), "results": results})
    return index


def _result(data: CardData, row: Mapping[Any, Any]) -> dict[str, Any]:
    name, protocol = str(row["dataset"]), str(row["protocol"])
    metrics = []
    for metric in data.metrics:
        value = float(row[metric.name])
        shown = round(value, metric.printed + 2) if math.isfinite(value) else str(value)
        arguments = {"protocol": protocol, "images": int(row["images"])}
        metrics.append({"type": metric.name, "value": shown, "name": f"{metric.label} ({protocol})", "args": arguments})
    return {
        "task": {"type": "image-to-image", "name": f"Image super-resolution x{row['scale']}"},
        "dataset": {
            "type": _hub(data, name) or _slug(name) or "unnamed",
            "name": name,
            "config": f"bicubic_x{row['scale']}",
            "split": "validation",
        },
        "metrics": metrics,
    }
